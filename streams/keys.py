"""The key of a record is who it is about: one that says otherwise could meet its own history in another partition."""

from __future__ import annotations

from streams.core.invalid import InvalidMessage


def check_key(key: bytes | None, about: str) -> None:
    """Insists that a record's key is what the record says it is about.

    Raises:
        InvalidMessage: it is another; code `key_mismatch`.
    """
    if key != about.encode("utf-8", "surrogateescape"):
        raise InvalidMessage("key_mismatch", f"the key is {(key or b'')[:200]!r}, the record is about {about[:200]!r}")
