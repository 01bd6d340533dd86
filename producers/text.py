"""Bounding untrusted text: whatever a label or a name holds, it stays data of a sane size."""

from __future__ import annotations


def clip(text: str, limit: int) -> str:
    """The text as Unicode that encodes, at most `limit` characters long, an ellipsis where it was cut."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
