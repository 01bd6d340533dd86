"""Tracker before it has begun: what it says to a program that asks too soon."""

from __future__ import annotations

import pytest

from schemas.errors import SettingError
from schemas.settings import Settings
from streams import Tracker


async def test_a_command_given_before_it_has_begun_says_what_to_write() -> None:
    tracker = Tracker(Settings(brokers="127.0.0.1:1", _env_file=None))
    with pytest.raises(SettingError, match="async with Tracker"):
        await tracker.register("shop")
