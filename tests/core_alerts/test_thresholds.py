"""Thresholds: one raise and one resolve per episode, whatever the samples do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core import samples
from streams.core.samples import COLUMNS, Row
from streams.core.thresholds import (
    METRICS,
    RAISED,
    RESOLVED,
    Alert,
    Measured,
    Rule,
    Watches,
    all_calm,
    judge,
    leave,
    own_thresholds,
    rules_of,
)

SECOND_NS = 10**9
TICK_NS = 10 * SECOND_NS
CPU = Rule("cpu", "cpu", 80.0)


def row(at: int, **values: int) -> Row:
    """A folded sample of tick `at`: one of two CPUs' host, without limits, unless said otherwise."""
    said = {"read_ns": (at + 1) * TICK_NS, "interval_ns": TICK_NS, "online_cpus": 2, **values}
    return tuple(said.get(name, -1) for name in COLUMNS)


def busy(percent_of_host: float | None) -> dict[str, int]:
    return {} if percent_of_host is None else {"cpu_millipercent": round(percent_of_host * 2000)}


class Container:
    """A container under rules, tick by tick."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules or (CPU,)
        self.watches: Watches = {}
        self.at = 0

    def tick(self, **values: int) -> list[Alert]:
        found = judge(self.watches, self.rules, [Measured("c1", "web", row(self.at, **values))], TICK_NS)
        self.at += 1
        return found

    def run(self, text: str) -> str:
        """Ticks as signs: `#` bad, `.` good, `?` unknown value, ` ` missed. Returns what each said: `!` raised, `-` resolved."""
        said = ""
        for sign in text:
            if sign == " ":
                self.at += 1
                said += " "
                continue
            found = self.tick(**busy({"#": 90.0, ".": 10.0, "?": None}[sign]))
            said += "".join({RAISED: "!", RESOLVED: "-"}[one.type] for one in found) or sign
        return said


@pytest.mark.parametrize(
    ("ticks", "said"),
    [
        pytest.param("...###....", "...###....", id="three in a row are no alert"),
        pytest.param("..####", "..###!", id="four in a row are"),
        pytest.param("#.#.#.#.#.#.#.#.#.#.", "#.#.#.#.#.#.#.#.#.!.", id="ten of twenty are"),
        pytest.param("####" + "." * 20, "###!" + "." * 19 + "-", id="twenty good ones end it"),
        pytest.param("####" + "." * 19 + "#" + "." * 20, "###!" + "." * 19 + "#" + "." * 19 + "-", id="a bad one begins the wait anew"),
        pytest.param("####" + "." * 19 + "?" + "." * 20, "###!" + "." * 19 + "?" + "." * 19 + "-", id="unknown is not good"),
        pytest.param("####" + "." * 19 + " " + "." * 20, "###!" + "." * 19 + " " + "." * 19 + "-", id="missed is not good"),
        pytest.param("##  ##", "##  ##", id="missed ones are no part of a row"),
        pytest.param("####" + "#" * 30, "###!" + "#" * 30, id="raised once however long it lasts"),
    ],
)
def test_points_in_a_row_or_of_all_raise_and_only_known_good_ones_resolve(ticks: str, said: str) -> None:
    assert Container().run(ticks) == said


@given(st.text(alphabet="#.? ", max_size=200))
def test_raises_and_resolves_take_turns_and_tell_the_same_episode(ticks: str) -> None:
    container, told = Container(), []
    for sign in ticks:
        if sign == " ":
            container.at += 1
        else:
            told += container.tick(**busy({"#": 90.0, ".": 10.0, "?": None}[sign]))
    assert [one.type for one in told] == [RAISED, RESOLVED] * (len(told) // 2) + [RAISED] * (len(told) % 2)
    pairs = list(zip(told[::2], told[1::2], strict=False))
    assert all(raised.since_ns == resolved.since_ns < resolved.at_ns for raised, resolved in pairs)
    assert len({one.since_ns for one in told[::2]}) == len(told[::2])


@given(st.text(alphabet="#.?", max_size=60))
def test_nothing_is_remembered_of_a_container_that_has_long_been_good(ticks: str) -> None:
    container = Container()
    container.run(ticks + "." * 20)
    assert container.watches == {}


def test_a_raise_names_the_culprit_and_begins_where_the_bad_points_did() -> None:
    container = Container()
    container.run("..###")
    (alert,) = container.tick(**busy(92.5))
    assert alert == Alert(RAISED, "cpu", "cpu", 92.5, 80.0, 3 * TICK_NS, 6 * TICK_NS, "c1", "web", alert.message)
    assert alert.message == "web: cpu is above 80%, at 92.5%"


def test_cpu_is_judged_by_the_containers_own_limit_where_it_has_one() -> None:
    value_of = METRICS["cpu"][1]
    half_a_cpu = row(0, cpu_millipercent=45_000, cpu_limit_nanocpus=500_000_000)
    assert value_of(half_a_cpu) == 90.0
    assert value_of(row(0, cpu_millipercent=45_000)) == 22.5
    assert value_of(row(0, cpu_millipercent=45_000, online_cpus=-1)) is None


def test_memory_without_a_limit_has_no_percent_and_is_never_bad() -> None:
    container = Container(Rule("memory", "memory", 85.0))
    assert [container.tick(memory_used_bytes=1 << 40) for _ in range(20)] == [[]] * 20
    assert container.watches == {}


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_an_unknown_sample_is_unknown(metric: str) -> None:
    assert METRICS[metric][1](tuple(-1 for _ in COLUMNS)) is None


def test_what_is_no_longer_measured_ends_by_its_engines_time() -> None:
    container = Container()
    container.run("####")
    assert leave(container.watches, container.rules, 23 * TICK_NS, TICK_NS) == []
    (alert,) = leave(container.watches, container.rules, 24 * TICK_NS, TICK_NS)
    assert (alert.type, alert.since_ns, alert.container_name) == (RESOLVED, TICK_NS, "web")
    assert "no longer measured" in alert.message
    assert container.watches == {}


def test_a_rule_that_is_taken_away_ends_its_alerts() -> None:
    container = Container()
    container.run("####")
    (alert,) = leave(container.watches, (), 5 * TICK_NS, TICK_NS)
    assert (alert.type, alert.rule) == (RESOLVED, "cpu")


def test_the_last_rule_of_a_name_that_matches_holds_and_a_label_over_all() -> None:
    mine = replace(CPU, above=95.0, workspaces=("shop@*",))
    off = replace(CPU, above=None, workspaces=("lab@*",))
    rules = (CPU, mine, off)
    assert rules_of(rules, "blog@laptop") == (CPU,)
    assert rules_of(rules, "shop@laptop") == (mine,)
    assert rules_of(rules, "lab@laptop") == ()
    own = own_thresholds({"workspace.alert.cpu": "50", "workspace.alert.nonsense": "1", "team": "shop"})
    assert [rule.above for rule in rules_of(rules, "shop@laptop", own)] == [50.0]
    assert rules_of(rules, "shop@laptop", (("cpu", " OFF "),)) == ()


@pytest.mark.parametrize("text", ["", "nan", "-1", "inf", "1e999", "many", "0", "<script>"])
def test_a_label_that_is_no_threshold_changes_nothing(text: str) -> None:
    assert rules_of((CPU,), "shop@laptop", (("cpu", text),))[0].above == 80.0


def test_a_workspace_that_stopped_uses_nothing() -> None:
    container = Container()
    container.run("####")
    (alert,) = leave(container.watches, container.rules, 5 * TICK_NS, TICK_NS, stopped=True)
    assert (alert.type, alert.message) == (RESOLVED, "web: cpu is over: it does not run")


VALUES = st.sampled_from((-1, 0, 1, 2, 1_000, 80_000, 100_000, 160_000, 160_001, 200_000, 1 << 30, 900_000_000, 1_000_000_000, 1 << 62))


@given(st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES, VALUES), max_size=4), st.sampled_from((80.0, 85.5, 1e-3)))
def test_a_glance_at_a_tick_sees_every_bad_sample_and_no_good_one(values: list[tuple[int, ...]], above: float) -> None:
    names = ("online_cpus", "cpu_limit_nanocpus", "cpu_millipercent", "memory_used_bytes", "memory_limit_bytes")
    rules = (replace(CPU, above=above), Rule("memory", "memory", above))
    rows = [row(0, **dict(zip(names, some, strict=True))) for some in values]
    found = [METRICS[rule.metric][1](one) for one in rows for rule in rules]
    calm = all_calm(rules, [samples.pack(*one) for one in rows])
    assert calm == all(value is None or value < above for value in found)
    assert not all_calm((Rule("many", "pids", 5.0),), [])
