"""What programs read, as a terminal may show it, too: no name in it can move the cursor or turn the line round."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, Final

import click

#: Signs that JSON lets through as they are, and terminals obey: delete, C1 controls, marks of direction.
_OBEYED: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def json_text(value: Any, *, indent: bool = True, default: Callable[[Any], Any] | None = None) -> str:
    """JSON in which such signs are escaped: the same to whatever reads it."""
    import orjson

    return escaped(orjson.dumps(value, default=default, option=orjson.OPT_INDENT_2 if indent else 0).decode())


def escaped(json: str) -> str:
    """The same JSON with such signs escaped."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", json)


def echo_json(value: Any, *, indent: bool = True, default: Callable[[Any], Any] | None = None) -> None:
    """Prints JSON."""
    click.echo(json_text(value, indent=indent, default=default))


def echo_csv(text: str) -> None:
    """Prints CSV: as it is into a file or pipe, in a terminal with its control signs visible."""
    from schemas.wst import visible

    if sys.stdout.isatty():
        text = "".join(sign if sign in "\r\n" else visible(sign) for sign in text)
    click.echo(text, nl=False)
