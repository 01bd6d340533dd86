"""The schema gate fails the build on an incompatible change."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas import compatibility
from schemas.codec import versions

Schema = dict[str, Any]


def _with(change: Callable[[Schema], object]) -> dict[int, Schema]:
    old = versions("fact")[1]
    new = copy.deepcopy(old)
    change(new)
    return {1: old, 2: new}


def _retype(schema: Schema) -> None:
    next(field for field in schema["fields"] if field["name"] == "time_ns")["type"] = "string"


INCOMPATIBLE: dict[str, Callable[[Schema], object]] = {
    "a field without a default": lambda s: s["fields"].append({"name": "extra", "type": "long", "doc": "x"}),
    "a field taken away that had no default": lambda s: s["fields"].remove(next(f for f in s["fields"] if f["name"] == "time_ns")),
    "a field of another type": _retype,
}


@pytest.mark.parametrize("change", INCOMPATIBLE.values(), ids=INCOMPATIBLE.keys())
def test_an_incompatible_change_is_named(change: Callable[[Schema], object]) -> None:
    faults = list(compatibility.conflicts("fact", _with(change)))
    assert faults
    assert "fact: version" in faults[0]


def test_a_field_with_a_default_is_compatible_both_ways() -> None:
    added = _with(lambda s: s["fields"].append({"name": "extra", "type": ["null", "long"], "default": None, "doc": "x"}))
    assert list(compatibility.conflicts("fact", added)) == []


def test_a_published_version_may_not_change_but_for_its_words() -> None:
    known = versions("fact")
    published = {"fact/1": compatibility.digest(known[1])}
    reworded = copy.deepcopy(known)
    reworded[1]["doc"] = "Other words."
    assert list(compatibility.changed_since_published("fact", reworded, published)) == []
    _retype(reworded[1])
    assert list(compatibility.changed_since_published("fact", reworded, published))
    assert list(compatibility.changed_since_published("fact", {}, published))


def test_the_gate_holds_for_all_that_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert compatibility.main() == 0
    assert "0 faults" in capsys.readouterr().out


def test_the_gate_fails_the_build_on_a_bad_pair(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad = _with(_retype)
    monkeypatch.setattr(compatibility, "versions", lambda subject: bad if subject == "fact" else versions(subject))
    assert compatibility.main() == 1
    assert "fact: version" in capsys.readouterr().err


def test_published_labels_name_schemas_that_exist() -> None:
    from importlib import resources

    published = json.loads(resources.files("schemas").joinpath("avro", "published.json").read_text("utf-8"))
    assert all(int(label.split("/")[1]) in versions(label.split("/")[0]) for label in published)
