"""Tests of the test platform: the real parts do what other tests take for granted."""
