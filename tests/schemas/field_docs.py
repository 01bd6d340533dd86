"""What a schema says of its own fields: the columns of a packed field are listed in its documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def field_doc(schema: dict[str, Any], *path: str) -> str:
    """The documentation of a field, by the names that lead to it through records, arrays and unions."""
    doc = ""
    node: Any = schema
    for name in path:
        field = next(f for record in _records(node) for f in record["fields"] if f["name"] == name)
        doc, node = field["doc"], field["type"]
    return doc


def _records(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for branch in node:
            yield from _records(branch)
    elif isinstance(node, dict) and node["type"] == "record":
        yield node
    elif isinstance(node, dict):
        yield from _records(node.get("items", node.get("values")))
