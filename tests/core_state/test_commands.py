"""Commands: what they do, and the reason for which they are refused."""

from __future__ import annotations

import pytest

from schemas.codec import codec
from streams.core import workspace
from streams.core.changes import ErrorDetail, to_record
from tests.core_state.makers import Folded, Record, at, command, event, folded, notice, seen

STOPPED = [event("create", 0), event("start", 1), event("die", 2, exit_code=0)]


def refusal(of: Folded) -> str:
    detail = of.changes[-1].detail
    assert isinstance(detail, ErrorDetail)
    assert detail.code == "refused"
    assert detail.context["by"] == "alice"
    return detail.error


def test_archive_and_restore() -> None:
    put_away = folded(*STOPPED, command("archive", 3))
    assert (put_away.record["status"], put_away.record["reason"]) == ("archived", "archived by alice: because")
    put_away.add(command("unarchive", 4))
    assert (put_away.record["status"], put_away.record["reason"]) == ("inactive", "restored by alice: because")


def test_an_archived_workspace_that_starts_running_becomes_active_with_that_as_the_reason() -> None:
    put_away = folded(*STOPPED, command("archive", 3), event("start", 4))
    assert (put_away.record["status"], put_away.record["reason"]) == ("active", "web started running while archived")
    put_away.add(event("die", 5, exit_code=0))
    assert put_away.record["status"] == "inactive"


def test_an_archived_workspace_is_not_failing() -> None:
    crashed = folded(event("start", 1), event("die", 2, exit_code=1))
    assert crashed.record["condition"] == "failing"
    crashed.add(command("archive", 3))
    assert crashed.record["condition"] == "ok"


def test_a_container_removed_from_an_archived_workspace_leaves_it_archived() -> None:
    put_away = folded(*STOPPED, command("archive", 3), event("destroy", 4))
    assert put_away.record["status"] == "archived"


@pytest.mark.parametrize(
    ("before", "name", "arguments", "reason"),
    [
        ([event("start", 1)], "archive", {}, "1 of its containers run; stop them first"),
        ([*STOPPED, command("archive", 3)], "archive", {}, "it is archived already"),
        (STOPPED, "unarchive", {}, "it is not archived but inactive"),
        (STOPPED, "register", {"name": "x"}, "it is known already, as shop"),
        (STOPPED, "rename", {"name": "  "}, "the new name is empty"),
        (STOPPED, "rename", {}, "the new name is empty"),
        (STOPPED, "rename", {"name": "shop"}, "that is its name already"),
        (STOPPED, "unmute", {}, "it is not muted"),
        (STOPPED, "mute", {}, "it says no duration up to a year"),
        (STOPPED, "mute", {"for_s": "nan"}, "it says no duration up to a year"),
        (STOPPED, "mute", {"for_s": "1e300"}, "it says no duration up to a year"),
        (STOPPED, "forget", {}, "1 of its containers still exist and would bring it back; remove them first, or archive it"),
        ([], "archive", {}, "there is no such workspace"),
        ([], "forget", {}, "there is no such workspace"),
        (STOPPED, "explode", {}, "there is no command explode"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_its_reason(
    before: list[Record], name: str, arguments: dict[str, str], reason: str
) -> None:
    workspace_ = folded(*before)
    state = workspace_.state.status
    workspace_.add(command(name, 9, **arguments))
    assert refusal(workspace_) == reason
    assert workspace_.state.status == state
    assert workspace_.state.error_count == sum(1 for change in workspace_.changes if change.type == "error") - 1


def test_contradictory_commands_are_decided_by_the_order_of_the_log() -> None:
    both = folded(*STOPPED, command("archive", 3, "from-here"), command("archive", 3, "from-there"), command("unarchive", 3))
    assert both.told()[6:] == ["shop archived", "error refused", "shop inactive"]


def test_the_same_command_twice_is_obeyed_once() -> None:
    twice = folded(*STOPPED, command("archive", 3, "one"), command("unarchive", 4), command("archive", 3, "one"))
    assert twice.record["status"] == "inactive"
    assert twice.tally["repeated"] == 1


def test_a_refused_command_stays_refused_though_much_was_noticed_since() -> None:
    again = folded(event("start", 1), command("archive", 3, "one"))
    assert again.told()[-1] == "error refused"
    again.add(*(notice("engine_silent" if number % 2 else "engine_back", 10 + number) for number in range(40)))
    again.add(event("die", 100, exit_code=0), command("archive", 101, "one"))
    assert again.record["status"] == "inactive"


def test_a_mute_lasts_as_long_as_it_says_and_changes_nothing_else() -> None:
    muted = folded(*STOPPED)
    assert muted.add(command("mute", 3, for_s="3600")) == []
    assert muted.record["muted_until_ns"] == at(3_603)
    assert muted.add(event("start", 4), event("die", 5, exit_code=3))[-1].type == "status_changed"
    assert muted.alerts() == ["raised unexpected_exit"], "only its delivery is muted"
    assert muted.add(command("unmute", 6)) == []
    assert muted.record["muted_until_ns"] is None


def test_a_registered_workspace_is_there_before_its_containers() -> None:
    registered = folded(command("register", 0, name="My shop"))
    assert (registered.record["workspace_name"], registered.record["status"], registered.record["total"]) == ("My shop", "inactive", 0)
    registered.add(event("start", 1))
    assert (registered.record["workspace_name"], registered.record["status"]) == ("My shop", "active")


def test_a_name_given_by_a_command_stays() -> None:
    renamed = folded(*STOPPED, command("rename", 3, name=" boutique "), event("create", 4, "db"))
    assert renamed.record["workspace_name"] == "boutique"


def test_forget_leaves_a_small_tombstone_and_numbering_goes_on() -> None:
    gone = folded(*STOPPED, event("destroy", 3))
    seq = gone.state.seq
    assert gone.add(command("forget", 4)) == []
    assert workspace.to_record(gone.state) is None
    assert len(workspace.to_bytes(gone.state)) < 250
    gone.add(event("start", 3, "web"), event("create", 2.5, "other"))
    assert workspace.to_record(gone.state) is None, "what is older than the forgotten brings nothing back"
    gone.add(event("create", 10, "new"))
    assert gone.record["seq"] == seq + 2
    assert gone.changes[-1].detail._asdict()["old_status"] == "unknown"


def test_a_workspace_on_a_silent_engine_can_be_forgotten() -> None:
    lost = folded(event("start", 1), notice("engine_silent", 100), command("forget", 200))
    assert workspace.to_record(lost.state) is None
    lost.add(seen("running", 300))
    assert (lost.record["status"], lost.record["stale"]) == ("active", False)


def test_an_idle_notice_archives_what_does_not_run() -> None:
    idle = folded(*STOPPED, notice("idle_due", 100, "nobody used it for 30 days"))
    assert (idle.record["status"], idle.record["reason"]) == ("archived", "nobody used it for 30 days")
    running = folded(event("start", 1), notice("idle_due", 100))
    assert running.record["status"] == "active"


def test_a_hostile_command_fits_the_schema() -> None:
    hostile = folded(*STOPPED, command("\x1b[2J" * 100, 3, "<script>"))
    assert codec("event").encode(to_record(hostile.changes[-1], "t"))
