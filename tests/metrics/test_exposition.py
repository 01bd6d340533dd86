"""What Prometheus reads: checked with the official parser, whatever stands in the labels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from schemas.metrics import DECLARED, Figure, fleet, system
from schemas.metrics.exposition import exposition, label_text
from tests.sinks.records import HOSTILE


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Value by name and labels in the declared order."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            metric = DECLARED[sample.name]
            key = (sample.name, *(sample.labels[label] for label in (*metric.labels, *(["part"] if metric.of_parts else []))))
            assert len(sample.labels) == len(key) - 1
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def test_figures_of_several_parts_are_one_family_with_help_and_type() -> None:
    text = exposition([("a", [system.DROPPED.at(3)]), ("b", [system.DROPPED.at(4)]), ("", [fleet.WORKSPACES.at(2, "active")])])
    assert samples(text) == {
        ("wst_samples_dropped_total", "a"): 3, ("wst_samples_dropped_total", "b"): 4, ("wst_workspaces", "active"): 2,
    }  # fmt: skip
    said = text.decode()
    assert said.count("# TYPE wst_samples_dropped_total counter\n") == 1
    assert "# HELP wst_workspaces Workspaces by status.\n# TYPE wst_workspaces gauge\n" in said


@given(st.text(max_size=300))
def test_a_label_is_text_that_comes_back_as_it_was_but_for_signs_that_are_none(value: str) -> None:
    ((_, workspace, name),) = samples(exposition([("", [fleet.INFO.at(1, "w", value)])]))
    assert (workspace, name) == ("w", label_text(value))
    assert len(name) <= 200
    assert all(sign >= " " for sign in name)


def test_a_hostile_name_makes_no_line_of_its_own() -> None:
    text = exposition([("", [fleet.INFO.at(1, "w", HOSTILE + '"} 1\nwst_evil 1\n')])])
    assert [line.split("{")[0] for line in text.decode().splitlines() if not line.startswith("#")] == ["wst_workspace_info"]


def test_every_metric_declared_can_be_read_back() -> None:
    figures = [Figure(metric, tuple("x" for _ in metric.labels), 1.5) for metric in DECLARED.values()]
    assert {key[0] for key in samples(exposition([("part", figures)]))} == set(DECLARED)
