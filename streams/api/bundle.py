"""The dashboard's modules as one script: a page that asks for one file is there sooner than one that asks for fifteen.

No parser: our own modules keep to the few forms below, and whatever does not is refused, when the server starts and in every test.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_IMPORT: Final = re.compile(r"^import \{ (\w+(?:, \w+)*) \} from '\./([\w-]+)\.js';$", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:const|class|function|async function) (\w+))", re.MULTILINE)
_LEFT: Final = re.compile(r"^\s*(?:import|export)\b.*|\bimport(?:\(|\.meta)", re.MULTILINE)


def bundled(modules: Mapping[str, str], entry: str) -> str:
    """One script that does what the module `entry` does, with all that it imports: each in a function of its own.

    Args:
        modules: text by name, without `.js`.

    Raises:
        ValueError: a module uses another form of import or export, or they import each other in a circle.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ValueError(f"{' → '.join((*above, name))}: modules import each other in a circle")
        if name in done:
            return
        text = modules[name]
        for _, wanted in _IMPORT.findall(text):
            add(wanted, (*above, name))
        done.add(name)
        parts.append(_wrapped(name, text))

    add(entry, ())
    return "".join(parts)


def _wrapped(name: str, text: str) -> str:
    told = _EXPORT.findall(text)
    body = _EXPORT.sub("", _IMPORT.sub(lambda found: f"const {{ {found[1]} }} = {_variable(found[2])};", text))
    left = _LEFT.search(body)
    if left is not None:
        raise ValueError(f"{name}.js: {left[0].strip()[:80]!r} is no form of import or export that the bundle knows")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {', '.join(told)} }};\n}})();\n"


def _variable(name: str) -> str:
    return f"$${name.replace('-', '_')}"
