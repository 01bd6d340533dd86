"""As-of: at any instant, what folding the facts up to it says, whether a state was kept there or not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import codec
from schemas.requests import ERASE_HEADER
from streams.api.app import make_app
from streams.query.past import states_at
from streams.query.present import state_json, time_text
from streams.replay.refold import RawFact, Refold
from tests.core_state.makers import Record, at, command, event, notice, seen
from tests.core_state.test_properties import LOGS, TIMES
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.sinks.archives import Real
from tests.sinks.records import arrive, forgotten_by, rows_of
from tests.time.log import Log, of, placeless, slices


async def fill(archive: Real, log: Log) -> None:
    for block in log.rows():
        await archive.write([block])


def whole(state: Record | None) -> Record | None:
    """A State record with every field, as a decoder gives it."""
    return None if state is None else placeless(codec("state").decode(codec("state").encode(state | _NOWHERE)))


_NOWHERE = {"epoch": 0, "partition": 0, "offset": 0}


async def test_any_instant_of_any_log_shows_what_the_facts_up_to_it_fold_to(chdb_archive: Real) -> None:
    """Logs in disorder and in order, in slices of any size: kept states and folded ones are the same."""
    drawn: list[tuple[list[Record], bool, list[int]]] = []

    @given(LOGS, st.booleans(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    def draw(log: list[Record], in_order: bool, sizes: list[int]) -> None:
        drawn.append((log, in_order, sizes))

    draw()
    log = Log()
    for number, (records, in_order, sizes) in enumerate(drawn):
        # Of a fact that comes again at once the archive keeps the first place; what the fold forgot in between is another story.
        once = list({record["id"]: record for record in records}.values())
        told = sorted(once, key=lambda record: record["time_ns"]) if in_order else once
        for part in slices(of(f"w{number}@laptop", told), sizes):
            log.slice(part)
    await fill(chdb_archive, log)
    instants = [*(at(time) for time in TIMES[::3]), at(5.5), at(-1), at(10**6)]
    for at_ns in instants:
        found = {state["workspace_id"]: placeless(state) for state in await states_at(chdb_archive.archive, at_ns)}
        expected = {name: said for name in log.states if (said := whole(log.until(name, at_ns))) is not None}
        assert found == expected, at_ns


async def test_an_instant_between_two_facts_of_one_slice_is_folded(chdb_archive: Real) -> None:
    #  s   0       1      2      3
    #      start   die    start  archive?    one slice: only its last state was published
    log = Log()
    log.slice([event("start", 0), event("die", 1, exit_code=3), event("start", 2)])
    log.slice([event("die", 3, exit_code=0), command("archive", 4)])
    await fill(chdb_archive, log)
    said = [
        [(one["status"], one["condition"]) for one in await states_at(chdb_archive.archive, at(s))] for s in (-1, 0, 1, 1.5, 2, 3, 3.5, 4)
    ]
    assert said == [
        [], [("active", "ok")], [("inactive", "failing")], [("inactive", "failing")], [("active", "ok")], [("inactive", "ok")],
        [("inactive", "ok")], [("archived", "ok")],
    ]  # fmt: skip


async def test_a_later_life_of_an_erased_workspace_is_folded_from_what_was_kept_of_it(chdb_archive: Real) -> None:
    log = Log()
    parts = (
        [event("start", 0), event("destroy", 1)],
        [command("forget", 2, erase="1")],
        [event("start", 3, "db"), event("die", 4, "db", exit_code=3), event("start", 5, "db")],
    )
    for part in parts:
        log.slice(part)
    again = Refold()
    again.run(RawFact(codec("fact").encode(record), where) for record, where in log.facts[:3])
    ((name, (rest, _)),) = again.erased.items()
    headers = (*forgotten_by(log.facts[2][1]), (ERASE_HEADER, rest))
    await chdb_archive.write(
        [*log.rows(), *rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, None, log.facts[2][1], name, headers))]
    )
    for seconds in (3, 4, 4.5, 5):
        (found,) = await states_at(chdb_archive.archive, at(seconds))
        assert placeless(found) == whole(log.until(name, at(seconds))), seconds
    assert await states_at(chdb_archive.archive, at(1)) == []


async def test_rows_written_again_and_merged_change_no_answer(chdb_archive: Real) -> None:
    log = Log()
    for record in (event("start", 0), seen("running", 5), event("die", 90_000, exit_code=3), notice("engine_silent", 90_010)):
        log.slice([record])
    for _ in range(2):
        await fill(chdb_archive, log)
    before = [await states_at(chdb_archive.archive, at(s)) for s in (0, 6, 90_000, 90_011)]
    chdb_archive.merge()
    assert [await states_at(chdb_archive.archive, at(s)) for s in (0, 6, 90_000, 90_011)] == before
    assert [[state["condition"] for state in states] for states in before] == [["ok"], ["ok"], ["failing"], ["unknown"]]


@pytest.fixture
async def api(chdb_archive: Real) -> Any:
    log = Log()
    log.slice(of("shop@laptop", [event("start", 0)]))
    log.slice(of("blog@laptop", [event("start", 10, "press")]))
    log.slice(of("shop@laptop", [event("die", 20, exit_code=3)]))
    await fill(chdb_archive, log)
    app = make_app(make_live(whole_state("shop@laptop"), whole_state("blog@laptop")), chdb_archive.archive, LOCAL, lambda: {"parts": []})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:
        yield asking


async def test_the_api_shows_states_as_status_does(api: httpx.AsyncClient, chdb_archive: Real) -> None:
    said = (await api.get("/api/v1/as-of", params={"time": time_text(at(15)) or ""})).json()
    assert said["time"] == time_text(at(15))
    assert said["workspaces"] == [state_json(state) for state in await states_at(chdb_archive.archive, at(15))]
    assert [(one["workspace_id"], one["status"]) for one in said["workspaces"]] == [("blog@laptop", "active"), ("shop@laptop", "active")]
    one = (await api.get("/api/v1/as-of", params={"time": time_text(at(25)) or "", "workspace": "shop@laptop"})).json()
    assert [(state["status"], state["condition"]) for state in one["workspaces"]] == [("inactive", "failing")]


async def test_what_was_not_yet_known_and_what_is_no_time_are_told_apart(api: httpx.AsyncClient) -> None:
    early = await api.get("/api/v1/as-of", params={"time": time_text(at(5)) or "", "workspace": "blog@laptop"})
    assert (early.status_code, early.json()["title"]) == (404, "no such workspace")
    assert (await api.get("/api/v1/as-of", params={"time": "soon"})).status_code == 422
    assert (await api.get("/api/v1/as-of", params={"time": "1960-01-01T00:00:00Z"})).status_code == 422
    assert (await api.get("/api/v1/as-of", params={"time": time_text(at(-100)) or ""})).json()["workspaces"] == []
