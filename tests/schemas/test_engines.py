"""Engines of the settings: `URL` or `name=URL`, and never a password where one is shown."""

from __future__ import annotations

import pytest

from schemas.engines import EngineAddress, masked_url, parse_engine
from schemas.errors import SettingError


@pytest.mark.parametrize(
    ("entry", "url", "name"),
    [
        ("tcp://build:2376", "tcp://build:2376", None),
        ("build=tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376", "build"),
        ("rootless=unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock", "rootless"),
        ("a=tcp://me:x=y@far", "tcp://me:x=y@far", "a"),
        ("tcp://me:x=y@far", "tcp://me:x=y@far", None),
        ("unix:///run/a=b.sock", "unix:///run/a=b.sock", None),
        ("/run/a=b.sock", "/run/a=b.sock", None),
    ],
)
def test_an_engine_is_a_url_or_a_name_and_a_url(entry: str, url: str, name: str | None) -> None:
    assert parse_engine(entry) == EngineAddress(url, name)


@pytest.mark.parametrize("entry", ["=tcp://me:hunter2@far", "build=", "=", "a\x07=tcp://far", f"{'n' * 101}=tcp://me:hunter2@far"])
def test_half_an_entry_is_a_wrong_setting_that_says_how_to_write_it_and_no_password(entry: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_engine(entry)
    assert "name=URL" in caught.value.hint
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tcp://me:hunter2@far:2375", "tcp://***@far:2375"),
        ("TCP://me@far", "TCP://***@far"),
        ("tcp://me:a/b@c@far", "tcp://***@far"),
        ("ssh://me@far", "ssh://***@far"),
        ("me:hunter2@far:2375", "***@far:2375"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ("tcp://far:2375", "tcp://far:2375"),
        ("for url 'http://me:hunter2@far/info' and more", "for url 'http://***@far/info' and more"),
    ],
)
def test_user_and_password_of_a_url_are_never_shown(text: str, shown: str) -> None:
    assert masked_url(text) == shown
