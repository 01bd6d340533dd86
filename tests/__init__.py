"""Tests. A package, so that `tests.platform` never shadows the standard library's `platform`."""
