"""The loops of one engine, with an engine that misbehaves on demand: repeats, cuts, clocks, errors, hangs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from producers.engine_json import EARLIEST_NS, LATEST_NS
from producers.shared import LETTERS_A_MINUTE
from producers.watch import Pace
from schemas import topics
from schemas.counters import COLUMNS, unpack
from schemas.errors import WstError
from schemas.publish import Record
from streams.core import facts
from tests.producers.scripted import ScriptedEngine, container_id, scripted_engine
from tests.producers.watching import Json, watching

HOUR_NS = 3_600 * 10**9


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        yield engine


async def test_a_container_is_listed_with_its_details_and_later_syncs_make_two_calls_each(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web", **{"com.docker.compose.project": "shop"})
    async with watching(scripted.url, tmp_path, Pace(60, 0.5, 1)) as seen:
        await seen.until(lambda: len(seen.snapshots()) >= 4, "four listings")
        first, *later = seen.snapshots()
        (entry,) = first["containers"]
        assert (first["cause"], entry["workspace_id"], entry["state"], entry["unsettled"]) == ("start", "shop@laptop", "running", False)
        assert entry["inspect"]["started_at_ns"] == scripted.containers[container_id("web")]["started_ns"]
        assert all(snapshot["containers"][0]["inspect"] is None for snapshot in later)
        assert scripted.calls["inspect"] == 1
        assert seen.watch.shared.counts.total["calls.info"] - seen.watch.shared.counts.total["calls.list"] in (0, 1)


async def test_a_container_found_different_without_an_event_is_inspected(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.containers[container_id("web")]["state"] = "exited"
        await seen.until(lambda: seen.snapshots()[-1]["containers"][0]["state"] == "exited", "the change is listed")
        found = next(s for s in seen.snapshots() if s["containers"][0]["state"] == "exited")
        assert found["containers"][0]["inspect"]["exit_code"] == 1


async def test_an_event_is_followed_by_one_detail_call_for_a_burst(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        before = scripted.calls["inspect"]
        for action in ("create", "start", "update"):
            last = scripted.say("web", action)
        await seen.until(lambda: seen.facts("observation"), "the details")
        (fact,) = seen.facts("observation")
        assert fact["observation"]["state"] is None
        assert (fact["time_ns"], fact["observation"]["source"]) == (last["timeNano"], "inspect")
        assert scripted.calls["inspect"] - before == 1


async def test_after_a_cut_the_stream_resumes_without_loss_and_without_repeats(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        for number in range(20):
            scripted.say("web", "attach")
            if number % 5 == 4:
                scripted.cut_streams()
        await seen.until(lambda: len(seen.actions()) >= 20, "all events")
        await seen.until(lambda: any(s["cause"] == "reconnect" for s in seen.snapshots()), "a listing after the reconnect")
        times = [fact["time_ns"] for fact in seen.facts()]
        assert times == [message["timeNano"] for message in scripted.ring]


async def test_a_restarted_producer_resumes_where_it_was(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the first")
        watched_since = seen.snapshots()[-1]["watched_since_ns"]
    scripted.say("web", "unpause")
    async with watching(scripted.url, tmp_path) as seen:
        await seen.until(seen.actions, "the one in between")
        assert seen.actions() == ["unpause"]
        assert seen.snapshots()[0]["watched_since_ns"] == watched_since, "nothing was missed"
    scripted.ring.clear()  # as after a restart of the daemon
    scripted.say("web", "stop")
    async with watching(scripted.url, tmp_path) as seen:
        assert seen.snapshots()[0]["watched_since_ns"] > watched_since, "nobody knows what was missed"


async def test_a_ring_that_ran_over_while_the_stream_was_cut_is_a_stretch_nobody_watched(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the first")
        watched_since = seen.snapshots()[-1]["watched_since_ns"]
        scripted.ring.clear()
        scripted.cut_streams()
        for _ in range(256):
            scripted.say("web", "attach")
        await seen.until(lambda: any(s["cause"] == "reconnect" for s in seen.snapshots()), "a listing after the reconnect")
        listed = next(s for s in seen.snapshots() if s["cause"] == "reconnect")
        assert listed["watched_since_ns"] > watched_since


async def test_an_event_that_could_not_be_published_is_published_by_the_next_producer(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")

    async def full(records: Sequence[Record]) -> None:
        raise WstError("the disk is full")

    async with watching(scripted.url, tmp_path, may_fail=True) as seen:
        scripted.say("web", "pause")
        await seen.until(seen.actions, "the first")
        seen.outlet.publish = full  # type: ignore[method-assign]
        scripted.say("web", "unpause")
        await seen.until(seen.ended, "the failure")
    async with watching(scripted.url, tmp_path) as seen:
        await seen.until(lambda: "unpause" in seen.actions(), "the second")


async def test_after_a_clock_that_ran_back_a_cut_stream_resumes_without_loss(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say("web", "pause")
        await seen.until(seen.actions, "the first")
        scripted.clock_ns = -HOUR_NS
        scripted.say("web", "unpause")
        await seen.until(lambda: len(seen.actions()) == 2, "the second")
        scripted.cut_streams()
        scripted.say("web", "stop")
        await seen.until(lambda: len(seen.actions()) == 3, "the one during the cut")
        assert [fact["generation"] for fact in seen.facts()] == [0, 1, 1]


async def test_a_silent_stream_is_opened_anew_and_nothing_is_made_of_it(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, stream_timeout_s=0.3) as seen:
        await seen.until(lambda: scripted.streams() >= 3, "streams opened anew")
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the event")
        assert [s["cause"] for s in seen.snapshots()] == ["start"]


async def test_a_clock_that_jumps_back_an_hour_begins_a_generation(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.say("web", "pause")
        await seen.until(lambda: len(seen.actions()) == 1, "the first")
        scripted.clock_ns = -HOUR_NS
        scripted.say("web", "unpause")
        await seen.until(lambda: len(seen.actions()) == 2, "the second")
        assert [fact["generation"] for fact in seen.facts()] == [0, 1]
        await seen.until(lambda: seen.snapshots()[-1]["generation"] == 1, "a listing of the new generation")
    async with watching(scripted.url, tmp_path) as seen:
        assert seen.snapshots()[0]["generation"] == 1, "remembered"


async def test_an_engine_whose_clock_was_never_set_is_said_so_and_all_is_repaired_once_it_is(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    web = scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 0)) as seen:
        scripted.clock_ns = 86_400 * 10**9 - time.time_ns()  # as a board without a battery: it has just begun to count
        scripted.containers[web]["state"] = "exited"
        scripted.say("web", "die", exitCode="1")
        await seen.until(lambda: any(s["outcome"] == "failed" for s in seen.snapshots()), "a failed sync")
        failed = next(s for s in seen.snapshots() if s["outcome"] == "failed")
        assert (failed["error_code"], failed["answered"]) == ("sync_failed", True)
        assert "its clock says 1970-01-02T" in failed["error"]
        await seen.until(lambda: seen.values(topics.DEAD_LETTERS), "the event that has no place")
        assert [letter["code"] for letter in seen.values(topics.DEAD_LETTERS)] == ["bad_time"]
        assert seen.facts() == []
        scripted.clock_ns = 0
        await seen.until(lambda: seen.snapshots()[-1]["outcome"] == "listed", "a listing again")
        assert (seen.snapshots()[-1]["generation"], seen.snapshots()[-1]["containers"][0]["state"]) == (0, "exited")
    assert (EARLIEST_NS, LATEST_NS) == (facts.EARLIEST_NS, facts.LATEST_NS), "what the fold does not take"


async def test_an_answer_that_was_long_on_its_way_is_no_jump_of_the_clock(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        told = scripted.calls["info"]
        async with seen.watch.shared.order:  # as while a long inspect of an exec is waited for
            await seen.until(lambda: scripted.calls["info"] > told, "the engine has told its time")
            seen.watch.shared.advance(seen.watch.shared.clock.saw(scripted.now_ns() + 10 * 10**9))  # much happened meanwhile
        listed = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) > listed, "the listing")
        assert seen.snapshots()[listed]["generation"] == 0


async def test_a_late_event_is_no_jump_of_the_clock(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say("web", "pause")
        scripted.say("web", "unpause", at_ns=scripted.now_ns() - 30 * 10**9)
        await seen.until(lambda: len(seen.actions()) == 2, "both")
        assert [fact["generation"] for fact in seen.facts()] == [0, 0]


async def test_an_engine_that_answers_500_is_retried_and_the_next_listing_tells(
    scripted: ScriptedEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wst.producer")
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 2)) as seen:
        scripted.fault = "500"
        await seen.until(lambda: seen.watch.shared.counts.total["failures.info"] >= 2, "failed syncs")
        scripted.fault = None
        count = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) > count, "a listing again")
        assert seen.snapshots()[count]["failures"] >= 2
        assert seen.watch.shared.counts.total["retries"] >= 4
        assert len([r for r in caplog.records if "a sync failed" in r.message]) == 1, "said once"


async def test_an_engine_that_hangs_ends_no_loop(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(0.4, 0.3, 0), timeout_s=0.5) as seen:
        scripted.fault = "hang"
        await seen.until(lambda: seen.watch.shared.counts.total["failures.info"] >= 1, "a failed sync")
        scripted.fault = None
        count = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) > count + 1, "listings again")
        scripted.say("web", "pause")
        await seen.until(lambda: "pause" in seen.actions(), "events again")


async def test_ticks_keep_their_step_and_skip_what_a_slow_engine_overruns(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web", **{"workspace.id": "shop"})
    scripted.add("db", **{"workspace.id": "shop"})
    scripted.add("off", "exited", **{"workspace.id": "shop"})
    async with watching(scripted.url, tmp_path, Pace(0.4, 60, 1)) as seen:

        def ticks() -> list[Json]:
            return seen.values(topics.DOCKER_STATS)

        await seen.until(lambda: len(ticks()) >= 3, "ticks")
        assert {len(tick["samples"]) for tick in ticks()} == {2}
        assert scripted.calls["stats"] <= 2 * (len(ticks()) + 1), "one call for each running container and tick"
        scripted.stats_delay_s = 0.6
        await seen.until(lambda: seen.watch.shared.counts.total["ticks_skipped"] >= 2, "skipped ticks")
        scripted.stats_delay_s = 0.0
        count = len(ticks())
        await seen.until(lambda: len(ticks()) > count + 1, "ticks again")
        steps = {(b["tick_at_ns"] - a["tick_at_ns"]) / 4e8 for a, b in zip(ticks(), ticks()[1:], strict=False)}
        assert all(abs(step - round(step)) < 0.1 and step > 0.9 for step in steps), steps


async def test_a_workspace_that_stopped_gets_one_last_tick_without_samples(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web", **{"workspace.id": "shop"})
    scripted.add("blog", **{"workspace.id": "blog"})
    async with watching(scripted.url, tmp_path, Pace(0.3, 60, 1)) as seen:

        def ticks(workspace_id: str) -> list[int]:
            return [len(tick["samples"]) for tick in seen.values(topics.DOCKER_STATS) if tick["workspace_id"] == workspace_id]

        await seen.until(lambda: ticks("shop") and ticks("blog"), "ticks of both")
        scripted.say("web", "die")
        await seen.until(lambda: 0 in ticks("shop"), "an empty tick")
        count = len(ticks("blog"))
        await seen.until(lambda: len(ticks("blog")) > count + 1, "more ticks of the other")
        assert ticks("shop") == [1] * (len(ticks("shop")) - 1) + [0]
        assert set(ticks("blog")) == {1}


async def test_a_container_in_anothers_network_namespace_reports_the_same_namespace(scripted: ScriptedEngine, tmp_path: Path) -> None:
    owner = scripted.add("db", **{"workspace.id": "dev"})
    for name, network in (("app", f"container:{owner}"), ("alone", "bridge"), ("host", "host")):
        scripted.containers[scripted.add(name, **{"workspace.id": "dev"})]["network"] = network
    async with watching(scripted.url, tmp_path, Pace(0.5, 60, 1)) as seen:
        await seen.until(lambda: seen.values(topics.DOCKER_STATS), "a tick")
        samples = seen.values(topics.DOCKER_STATS)[0]["samples"]
        namespace = {s["container_name"]: dict(zip(COLUMNS, unpack(s["counters"]), strict=True))["network_namespace"] for s in samples}
        assert namespace["app"] == namespace["db"] != namespace["alone"]
        assert namespace["host"] == 0
        assert namespace["alone"] > 0


async def test_nonsense_on_the_event_stream_goes_to_the_dead_letters_and_the_flow_goes_on(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say_raw({"raw": "{broken"})
        scripted.say_raw({"Type": "container", "Action": "start", "timeNano": -5, "secret": "hunter2"})
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the event after")
        letters = seen.values(topics.DEAD_LETTERS)
        assert [letter["stage"] for letter in letters] == ["producer", "producer"]
        assert b"hunter2" not in b"".join(letter["value"] for letter in letters)


async def test_a_flood_of_nonsense_is_counted_and_said_once_and_its_dead_letters_are_limited(
    scripted: ScriptedEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        for _ in range(3 * LETTERS_A_MINUTE):
            scripted.say_raw({"raw": "{broken"})
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the event after")
        total = seen.watch.shared.counts.total
        assert total["malformed"] == 3 * LETTERS_A_MINUTE
        assert len(seen.values(topics.DEAD_LETTERS)) == total["dead_letters"] == LETTERS_A_MINUTE
        assert total["dead_letters_left_out"] == 2 * LETTERS_A_MINUTE
        assert len([r for r in caplog.records if "makes no sense" in r.message]) == 1


async def test_a_line_without_an_end_and_one_without_a_bottom_are_one_dead_letter_each(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        whole = json.dumps(
            {"Type": "container", "Action": "start", "timeNano": 1, "Actor": {"ID": "a", "Attributes": {"x": "y" * (4 << 20)}}}
        )
        scripted.say_raw({"raw": whole})
        scripted.say_raw({"raw": "[" * 500_000})
        scripted.say("web", "pause")
        await seen.until(seen.actions, "the event after")
        assert seen.actions() == ["pause"], "four megabytes are no event"
        assert len(seen.values(topics.DEAD_LETTERS)) == 2


async def test_a_rename_of_what_has_only_its_name_is_a_leave_and_a_join(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("old")
    async with watching(scripted.url, tmp_path) as seen:
        scripted.containers[container_id("old")]["name"] = "new"
        message = scripted.say("old", "rename", oldName="/old")
        message["Actor"]["Attributes"]["name"] = "new"
        await seen.until(lambda: "rename" in seen.actions(), "the rename")
        story = [(fact["workspace_id"], (fact["observation"] or {}).get("present")) for fact in seen.values(topics.DOCKER_EVENTS)[:3]]
        assert story == [("old@laptop", False), ("new@laptop", True), ("new@laptop", None)]
        leave = seen.values(topics.DOCKER_EVENTS)[0]
        assert (leave["workspace_name"], leave["container"]["name"]) == ("old", "new"), "a leave tells the new name"
        await seen.until(lambda: len(seen.snapshots()) > 1, "a listing soon after")


async def test_health_checks_are_no_activity_but_other_execs_are(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.containers[scripted.add("web")]["healthcheck"] = {"Test": ["CMD-SHELL", "curl -u me:hunter2 localhost"]}
    async with watching(scripted.url, tmp_path) as seen:
        for exec_id, command in (("e1", "/bin/sh -c curl -u me:hunter2 localhost"), ("e2", "psql --password=hunter2")):
            scripted.say("web", f"exec_create: {command}", execID=exec_id)
            scripted.say("web", f"exec_start: {command}", execID=exec_id)
            scripted.say("web", "exec_die", execID=exec_id, exitCode="0")
        await seen.until(lambda: "exec_die" in seen.actions(), "the user's exec")
        assert {fact["engine_event"]["exec_id"] for fact in seen.facts()} == {"e2"}
        assert seen.watch.shared.counts.total["skipped.health_exec"] == 3
        assert all(b"hunter2" not in (record.value or b"") for record in seen.outlet.records)


async def test_an_exec_whose_beginning_was_not_heard_is_no_activity(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.containers[scripted.add("web")]["healthcheck"] = {"Test": ["CMD-SHELL", "curl localhost"]}
    async with watching(scripted.url, tmp_path) as seen:
        scripted.say("web", "exec_die", execID="before", exitCode="0")
        # An exec_start tells the command too: it is a beginning.
        scripted.say("web", "exec_start: /bin/sh -c curl localhost", execID="check")
        scripted.say("web", "exec_die", execID="check", exitCode="0")
        scripted.say("web", "exec_start: bash", execID="user")
        scripted.say("web", "exec_die", execID="user", exitCode="0")
        scripted.say("web", "pause")
        await seen.until(lambda: "pause" in seen.actions(), "the event after")
        assert [fact["engine_event"]["exec_id"] for fact in seen.facts()] == ["user", "user", None]
        assert seen.watch.shared.counts.total["skipped.exec_unknown"] == 1
        assert seen.watch.shared.counts.total["skipped.health_exec"] == 2


async def test_a_sync_request_is_answered_by_a_listing_that_names_it_once(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        now = seen.watch.shared.now_ns()
        for request, expires in (("r1", now + HOUR_NS), ("r1", now + HOUR_NS), ("late", now - 1), ("r2", now + HOUR_NS)):
            section = {"id": request, "workspace_id": "", "expires_at_ns": expires, "by": ""}
            seen.watch.obey({"kind": "sync_request", "target": "*", "written_at_ns": now, "sync_request": section})
        await seen.until(lambda: seen.snapshots()[-1]["request_id"] == "r2", "the answers")
        assert [s["request_id"] for s in seen.snapshots() if s["request_id"]] == ["r1", "r2"]


async def test_what_is_asked_for_over_the_years_is_not_all_kept(scripted: ScriptedEngine, tmp_path: Path) -> None:
    async with watching(scripted.url, tmp_path) as seen:
        now = seen.watch.shared.now_ns()
        for number in range(3_000):
            request = {"id": f"r{number}", "workspace_id": "", "expires_at_ns": now - 1, "by": ""}
            interval = {"name": f"n{number}", "interval_ms": 1_000}
            for kind, section in (("sync_request", request), ("interval", interval)):
                seen.watch.obey({"kind": kind, "target": "*", "written_at_ns": now, kind: section})
        assert len(seen.watch._answered) <= 1_000
        assert not seen.watch._intervals_at_ns


async def test_an_engine_that_invents_an_id_at_every_call_keeps_the_one_it_was_given(scripted: ScriptedEngine, tmp_path: Path) -> None:
    ids: list[str] = []

    original = scripted.now_ns
    scripted.now_ns = lambda: (setattr(scripted, "engine_id", f"id-{original()}"), original())[1]  # type: ignore[method-assign, func-returns-value]
    for _ in range(2):
        async with watching(scripted.url, tmp_path) as seen:
            ids.append(seen.watch.shared.origin.engine_id)
    assert ids[0] == ids[1]


async def test_a_sync_that_failed_after_all_retries_is_said_in_its_place_and_never_as_an_empty_listing(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 2)) as seen:

        def failed() -> list[Json]:
            return [s for s in seen.snapshots() if s["outcome"] == "failed"]

        scripted.fault = "500"
        await seen.until(lambda: len(failed()) >= 2, "two failed syncs")
        scripted.fault = None
        await seen.until(lambda: seen.snapshots()[-1]["outcome"] == "listed", "a listing again")
        first, second = failed()[:2]
        assert (first["retry_count"], first["parts"], first["containers"]) == (2, 2, [])
        assert (second["error_code"], second["answered"]) == ("engine_unreachable", False)
        assert "500" in second["error"]
        assert seen.snapshots()[-1]["containers"]
