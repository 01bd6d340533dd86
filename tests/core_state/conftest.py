"""A busy machine makes an example slow now and then: that is no failure of a property."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
