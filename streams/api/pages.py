"""Pages of a list: where the next one begins, and the link to it (RFC 8288)."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass

from fastapi import Request

from schemas.errors import Refused


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind which entry a page begins; `str()` makes the text users hand back."""

    last: str

    def __str__(self) -> str:
        return urlsafe_b64encode(self.last.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Reads the text back.

        Raises:
            Refused: it is no cursor.
        """
        try:
            # Strictly: the plain decoder passes over signs that are none of its own.
            return cls(b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode())
        except ValueError as error:
            raise Refused(f"{text[:80]!r} is no cursor", "hand back what the last page said") from error


def next_link(request: Request, cursor: Cursor) -> str:
    """The header that leads to the next page: the same question, behind the cursor."""
    url = request.url.include_query_params(cursor=str(cursor))
    return f'<{url.path}?{url.query}>; rel="next"'
