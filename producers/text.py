"""Untrusted text: whatever a label or a name holds, it stays data of a sane size; what may be a secret is left out."""

from __future__ import annotations

import re
from typing import Final

from schemas.engines import masked_url

#: What an engine quotes: runc as Go does, with escapes; crun between backquotes, as it is. What never ends is quoted, too.
_QUOTED: Final = re.compile(r'"(?P<runc>(?:[^"\\]|\\.)*)(?:"|\\?$)|`(?P<crun>.*)`|`(?P<cut>.*)$', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|(.))", re.DOTALL)
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./+-]{0,200}")
#: More than any part of an error that a person reads, characters.
_MAX_ERROR: Final = 4_096
#: Shorter than that is found in innocent words, too, characters.
_TELLING: Final = 4


def clip(text: str, limit: int) -> str:
    """The text as Unicode that encodes, at most `limit` characters long, an ellipsis where it was cut."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def without_commands(error: str) -> str:
    """An engine's error without the command line that it may quote: `exec: "psql postgres://…"` → `exec: "psql …"`.

    Of whatever it quotes a plain name or path goes on, of anything else the first word at most, and where it stands again
    without quotes likewise.
    """
    done, rest = "", error[:_MAX_ERROR]
    while match := _QUOTED.search(rest):
        quoted = match["runc"] or match["crun"] or match["cut"] or ""
        before, whole, rest = rest[: match.start()], match[0], rest[match.end() :]
        if not _PLAIN.fullmatch(quoted):
            first = next(iter(quoted.split(maxsplit=1)), "")
            short = f"{first} …" if first != quoted and _PLAIN.fullmatch(first) and first else "…"
            whole = whole.replace(quoted, short)
            for spelt in (quoted, _unescaped(quoted)):
                if len(spelt) >= _TELLING:
                    rest = rest.replace(spelt, short)
        done += before + whole
    return masked_url(done + rest)


def _unescaped(quoted: str) -> str:
    """What Go quoted."""
    return _ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)) if match[3] is None else _LETTERS.get(match[3], match[3]), quoted)
