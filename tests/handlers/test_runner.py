"""Delivery from a real journal: filtered, retried, dead-lettered, at least once over restarts; no handler harms another."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas import topics
from schemas.codec import codec
from schemas.errors import SettingError
from schemas.journal import Journal
from schemas.publish import make_record
from schemas.settings import Settings
from streams.cli.config import settings_shown
from streams.cli.topic_admin import TopicAdmin
from streams.embedded.readers import keep_ms
from streams.handlers.config import NoHandler, configs, make_handler
from streams.handlers.filters import Filter
from streams.handlers.handler import Event, Rejected, Retry
from streams.handlers.runner import Runner, backoff_s
from streams.handlers.source import GroupEvents, JournalEvents
from streams.log_epoch import read_to_end
from streams.query.present import event_json
from streams.sinks.letters import JournalLetters, KafkaLetters
from streams.sinks.source import Raw
from streams.supervisor.plan import Source, parts
from tests.client.waiting import until
from tests.face.api_parts import whole_event
from tests.handlers.target import HANG, answer, target
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S
from tests.sinks.records import event

PARTITIONS = 4


def tell(journal: Journal, *events: dict[str, Any]) -> None:
    made = [
        make_record(
            topics.WORKSPACE_CHANGES, "wst.", each["workspace_id"] or "E1", each, kind=each["type"], record_id="x", timestamp_ms=now
        )
        for now in [int(time.time() * 1000)]
        for each in events
    ]
    journal.append(made)


def dead(journal: Journal) -> list[dict[str, Any]]:
    found = [journal.read_partition("wst.dead.letters", partition, 0, 100) for partition in range(PARTITIONS)]
    return [codec("dead_letter").decode(entry.record.value) for entries in found for entry in entries]


class Scripted:
    """Does with each event what it is told, once per telling; then takes it."""

    def __init__(self, **does: list[BaseException | str]) -> None:
        self.does = does
        self.got: list[str] = []

    async def handle(self, event: Event) -> None:
        self.got.append(event["id"])
        script = self.does.get(f"s{event['seq']}", [])
        what = script.pop(0) if script else None
        if isinstance(what, BaseException):
            raise what
        if what == "hang":
            await asyncio.Event().wait()

    async def close(self) -> None:
        pass


@asynccontextmanager
async def running(path: Path, handler: Any, **table: Any) -> AsyncIterator[Runner]:
    settings = Settings(journal=path, partitions=PARTITIONS)
    (config,) = configs([{"name": "one", "type": "log", **table}])
    runner = Runner(config, handler, JournalEvents(settings, "one"), JournalLetters(settings), "wst.", lambda _: 0.0)
    task = asyncio.create_task(runner.run())
    journal = Journal(path, PARTITIONS)
    await until(lambda: task.done() or sum(cursor.consumer == "handlers.one" for cursor in journal.cursors()) == PARTITIONS)
    runner.killed = task.cancel  # type: ignore[attr-defined]
    try:
        yield runner
    finally:
        runner.stop()
        await asyncio.gather(task, return_exceptions=True)
        journal.close()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite", PARTITIONS)


async def test_a_new_handler_begins_now_and_gets_each_event_in_order(journal: Journal) -> None:
    tell(journal, event(1))
    handler = Scripted()
    async with running(journal.path, handler) as runner:
        tell(journal, event(2), event(3), event(4))
        await until(lambda: runner.counts.delivered == 3)
    assert handler.got == [f"state.1.{seq}.shop@laptop" for seq in (2, 3, 4)]


async def test_what_was_not_delivered_comes_again_after_a_restart_what_was_does_not(journal: Journal) -> None:
    stuck = Scripted(s2=["hang"])
    async with running(journal.path, stuck) as runner:
        tell(journal, event(1), event(2), event(3))
        await until(lambda: len(stuck.got) == 2)
        assert runner.counts.busy_since_s is not None
        # As by a SIGKILL: the attempt under way never ends by itself.
        runner.killed()  # type: ignore[attr-defined]
    restarted = Scripted()
    async with running(journal.path, restarted) as runner:
        tell(journal, event(4))
        await until(lambda: runner.counts.delivered == 3)
    assert restarted.got == [f"state.1.{seq}.shop@laptop" for seq in (2, 3, 4)]


async def test_one_that_raises_is_asked_again_and_then_the_event_is_a_dead_letter_and_the_next_one_comes(journal: Journal) -> None:
    handler = Scripted(s1=[ValueError("boom"), Retry("later")], s2=[Retry("never")] * 5, s3=[Rejected("no")])
    async with running(journal.path, handler, attempts=3) as runner:
        tell(journal, event(1), event(2), event(3), event(4))
        await until(lambda: runner.counts.delivered == 2)
    assert [int(name.split(".")[2]) for name in handler.got] == [1, 1, 1, 2, 2, 2, 3, 4]
    assert (runner.counts.dead, runner.counts.retries) == (2, 4)
    letters = sorted(dead(journal), key=lambda letter: letter["offset"])
    assert [(letter["stage"], letter["code"], letter["reason"]) for letter in letters] == [
        ("handler.one", "undeliverable", "3 attempts, the last: never"),
        ("handler.one", "rejected", "no"),
    ]
    assert codec("event").decode(letters[0]["value"])["seq"] == 2


@pytest.mark.parametrize("raised", [SystemExit(3), asyncio.CancelledError()])
async def test_one_that_ends_the_program_or_cancels_itself_ends_and_cancels_nothing(journal: Journal, raised: BaseException) -> None:
    handler = Scripted(s1=[raised])
    async with running(journal.path, handler) as runner:
        tell(journal, event(1), event(2))
        await until(lambda: runner.counts.delivered == 2)
    assert (runner.counts.retries, [int(name.split(".")[2]) for name in handler.got]) == (1, [1, 1, 2])


async def test_one_that_hangs_is_cut_off_and_asked_again(journal: Journal) -> None:
    handler = Scripted(s1=["hang"])
    async with running(journal.path, handler, timeout=0.05) as runner:
        tell(journal, event(1))
        await until(lambda: runner.counts.delivered == 1)
    assert runner.counts.retries == 1


async def test_a_plain_function_may_handle_too(journal: Journal) -> None:
    class Plain(Scripted):
        def handle(self, event: Event) -> None:  # type: ignore[override]
            self.got.append(event["id"])

    handler = Plain()
    async with running(journal.path, handler) as runner:
        tell(journal, event(1))
        await until(lambda: runner.counts.delivered == 1)
    assert len(handler.got) == 1


async def test_a_plain_function_that_hangs_is_waited_for_and_never_overtaken(journal: Journal) -> None:
    goes_on = threading.Event()

    class Plain(Scripted):
        def handle(self, event: Event) -> None:  # type: ignore[override]
            goes_on.wait()
            self.got.append(event["id"])

    handler = Plain()
    try:
        async with running(journal.path, handler, timeout=0.05, attempts=2) as runner:
            tell(journal, *(event(seq) for seq in range(1, 9)))
            await until(lambda: runner.counts.dead == 8 or _busy_s(runner) > 1)
            goes_on.set()
            await until(lambda: runner.counts.dead + runner.counts.delivered == 8)
    finally:
        goes_on.set()
    assert (runner.counts.dead, runner.counts.retries) == (0, 0)
    assert [int(name.split(".")[2]) for name in handler.got] == list(range(1, 9))


def _busy_s(runner: Runner) -> float:
    since_s = runner.counts.busy_since_s
    return 0.0 if since_s is None else time.monotonic() - since_s


async def test_only_what_the_filter_wants_is_delivered(journal: Journal) -> None:
    handler = Scripted()
    async with running(journal.path, handler, workspaces=["shop@*"], statuses=["active"]) as runner:
        inactive = {"status_changed": event(2)["status_changed"] | {"new_status": "inactive"}}
        tell(journal, event(1), event(2, **inactive), event(3, workspace_id="other@laptop"))
        await until(lambda: runner.counts.delivered + runner.counts.passed_over == 3)
    assert handler.got == ["state.1.1.shop@laptop"]


def test_filters_look_at_type_workspace_and_status() -> None:
    one, of_engine = event_json(whole_event(1)), event_json(whole_event(1)) | {"type": "sync_complete", "workspace_id": None, "data": {}}
    assert Filter().wants(one)
    assert Filter().wants(of_engine)
    assert Filter(types=frozenset({"error"})).wants(one) is False
    assert Filter(workspaces=("shop@?aptop",)).wants(one)
    assert Filter(workspaces=("*@other",)).wants(one) is False
    assert Filter(workspaces=("shop*",)).wants(of_engine) is False
    assert Filter(statuses=frozenset({"archived"})).wants(one) is False


def test_pauses_grow_and_are_bounded() -> None:
    assert all(0.3 < backoff_s(attempt) < 80 for attempt in range(2, 101))
    assert backoff_s(2) < 1
    assert backoff_s(20) > 40


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ([{"type": "log"}], "handler 1: name"),
        ([{"name": "a b", "type": "log"}], "handler 1 (a b): name"),
        ([{"name": "a", "type": "log", "types": ["nonsense"]}], "handler 1 (a): types = 'nonsense' is none of alert_raised"),
        ([{"name": "a", "type": "log", "statuses": ["up"]}], "statuses = 'up' is none of active"),
        ([{"name": "a", "type": "log", "timeout": "soon"}], "timeout"),
        ([{"name": "a", "type": "log", "attempts": 0}], "attempts"),
        ([{"name": "a", "type": "log"}] * 2, "2 handlers have the name 'a'"),
        ([{"name": "a", "type": "webhook", "url_file": "/no/such/file"}], "url_file = '/no/such/file' cannot be read"),
        ([{"name": "a", "type": "webhook", "url_env": "NO_SUCH"}], "url_env = 'NO_SUCH' is no variable"),
        ([{"name": "a", "type": "webhook", "url": "x", "url_file": "x"}], "both url and url_file"),
    ],
)
def test_a_table_that_makes_no_sense_is_named(tables: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(SettingError) as error:
        configs(tables)
    assert says in str(error.value)


def test_secrets_come_from_files_or_the_environment_and_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("http://h/?t=hunter2\n")
    monkeypatch.setenv("HOOK_SECRET", "whsec_" + "QUJD" * 8)
    (config,) = configs([{"name": "a", "type": "webhook", "url_file": str(tmp_path / "url"), "secret_env": "HOOK_SECRET"}])
    assert config.options == {"url": "http://h/?t=hunter2", "secret": "whsec_" + "QUJD" * 8}
    assert "hunter2" not in repr(config)
    handler = make_handler(config)
    assert "hunter2" not in repr(handler)


def test_a_plug_in_that_is_not_there_is_named() -> None:
    (config,) = configs([{"name": "a", "type": "carrier-pigeon"}])
    with pytest.raises(NoHandler, match="handler a: no package has a handler 'carrier-pigeon': there are: apprise, log, webhook"):
        make_handler(config)


async def test_apprise_sends_a_message_and_says_when_it_could_not() -> None:
    async with target(answer("500 no")) as made:
        (config,) = configs([{"name": "a", "type": "apprise", "urls": [f"json://127.0.0.1:{made.port}/"]}])
        handler = make_handler(config)
        with pytest.raises(Retry):
            await handler.handle(event_json(whole_event(1)))
        await handler.handle(event_json(whole_event(1, message="shop is up")))
    assert b"shop@laptop: status changed" in made.got[-1].body
    assert b"shop is up" in made.got[-1].body


PLUG_INS = """
import time
class Blocks:
    def __init__(self, options): pass
    async def handle(self, event): time.sleep(3600)
    async def close(self): pass
class PlainBlocks(Blocks):
    def handle(self, event): time.sleep(3600)
"""


def plug_in(folder: Path) -> None:
    """A package as pip would install it: a handler that blocks its loop, and three that do not import, each in its way."""
    (folder / "plugs.py").write_text(PLUG_INS)
    (folder / "broken_plug.py").write_text("import no_such_module_anywhere")
    (folder / "leaving_plug.py").write_text("import sys\nsys.exit(7)")
    (folder / "endless_plug.py").write_text("import time\ntime.sleep(3600)")
    info = folder / "plugs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugs\nVersion: 1\n")
    of = {"blocks": "plugs:Blocks", "plain": "plugs:PlainBlocks"}
    of |= {name: f"{name}_plug:Handler" for name in ("broken", "leaving", "endless")}
    (info / "entry_points.txt").write_text("[wst.handlers]\n" + "".join(f"{name} = {place}\n" for name, place in of.items()))


async def test_the_process_goes_on_when_one_handler_blocks_others_do_not_import_and_one_target_hangs(
    tmp_path: Path, journal: Journal
) -> None:
    plug_in(tmp_path)
    async with target() as good, target(HANG, HANG) as bad:
        (tmp_path / "wst.toml").write_text(
            "".join(
                f'[[handlers]]\nname = "{name}"\ntype = "{kind}"\n{more}\n'
                for name, kind, more in (
                    ("endless", "endless", 'timeout = "1s"'),
                    ("blocking", "blocks", ""),
                    ("plain", "plain", 'timeout = "1s"'),
                    ("broken", "broken", ""),
                    ("leaving", "leaving", ""),
                    ("hanging", "webhook", f'url = "{bad.url}"'),
                    ("good", "webhook", f'url = "{good.url}"'),
                )
            )
        )
        env = os.environ | {"WST_JOURNAL": str(journal.path), "WST_PARTITIONS": "4", "PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "schemas.wst", "handle"], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
        )
        try:
            names = {"handlers.blocking", "handlers.plain", "handlers.hanging", "handlers.good"}
            await until(lambda: {cursor.consumer for cursor in journal.cursors()} >= names or process.poll() is not None)
            tell(journal, event(1), event(2))
            await until(lambda: len(good.got) == 2 and bad.got)
            said = await asyncio.to_thread(_lines_until, process, "hangs while it is made", "handler plain blocks")
            process.send_signal(signal.SIGTERM)
            _, rest = await asyncio.to_thread(process.communicate, None, 20)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "handler broken: plug-in broken_plug:Handler does not import (ModuleNotFoundError" in said
    assert "handler leaving: plug-in leaving_plug:Handler does not import (SystemExit: 7)" in said
    assert "handler endless hangs while it is made: its events wait, the other handlers go on" in said
    assert "handler plain blocks: its events wait, the other handlers go on" in said
    assert "handler good: 2 delivered" in rest


def _lines_until(process: subprocess.Popen[str], *words: str) -> str:
    """What the process says until it has said all of that."""
    said = ""
    for line in process.stderr or ():
        said += line
        if all(word in said for word in words):
            return said
    return said


def test_wst_config_names_the_handlers_and_shows_none_of_their_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wst.toml").write_text('[[handlers]]\nname = "ops"\ntype = "webhook"\nurl = "http://h/hunter2"\n')
    monkeypatch.chdir(tmp_path)
    (row,) = [row for row in settings_shown() if row["name"] == "WST_HANDLERS"]
    assert row["value"] == "ops:webhook"
    assert "hunter2" not in str(settings_shown())


def test_wst_up_runs_handlers_only_where_some_are_configured() -> None:
    assert [part.name for part in parts(Source(), handlers=True)][-1] == "handlers"
    assert "handlers" not in [part.name for part in parts(Source())]
    # The wire never waits for them; the journal keeps events longer instead.
    assert keep_ms("wst.", handlers=True)["wst.workspace.changes"] > keep_ms("wst.")["wst.workspace.changes"]


@pytest.mark.kafka
async def test_in_a_cluster_what_a_new_handler_was_given_first_comes_again_after_a_restart_before_its_delivery(
    kafka: KafkaBroker, unique: str
) -> None:
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=1)
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    writer = KafkaLetters(given)

    async def say(number: int) -> None:
        topic, now_ms = topics.WORKSPACE_CHANGES, int(time.time() * 1000)
        await writer.publish([make_record(topic, f"{unique}.", "shop@laptop", event(number), kind="x", record_id="x", timestamp_ms=now_ms)])

    async def fetched(source: GroupEvents, records: int) -> list[int]:
        found: list[Raw] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(found) < records:
                found += await source.fetch(PATIENCE_S)
        return [codec("event").decode(record.value)["seq"] for record in found]

    first, second = GroupEvents(given, "one"), GroupEvents(given, "one")
    await first.start()
    fetching = asyncio.create_task(fetched(first, 1))
    await until(first._consumer.assignment)
    await first._consumer.position(*first._consumer.assignment())  # it begins here, and waits for records
    await say(1)
    assert await fetching == [1]
    await first.stop()  # while the delivery fails and is tried again
    await say(2)
    await second.start()
    assert (await fetched(second, 1))[0] == 1
    await second.stop()
    await writer.close()


@pytest.mark.kafka
async def test_in_a_cluster_a_consumer_group_remembers_what_was_delivered(kafka: KafkaBroker, unique: str) -> None:
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=2)
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    (config,) = configs([{"name": "one", "type": "log", "attempts": 1}])
    writer = KafkaLetters(given)

    async def say(*numbers: int) -> None:
        told = [event(number) for number in numbers]
        topic, now_ms = topics.WORKSPACE_CHANGES, int(time.time() * 1000)
        prefix, key = given.topic_prefix, "shop@laptop"
        await writer.publish([make_record(topic, prefix, key, one, kind="x", record_id="x", timestamp_ms=now_ms) for one in told])

    async def work(handler: Scripted, numbers: tuple[int, ...], done: int) -> None:
        source = GroupEvents(given, "one")
        runner = Runner(config, handler, source, KafkaLetters(given), given.topic_prefix)
        task = asyncio.create_task(runner.run())
        await until(lambda: task.done() or len(getattr(source, "_placed", ())) == 2)
        await say(*numbers)
        await until(lambda: runner.counts.delivered + runner.counts.dead == done)
        runner.stop()
        await task

    await say(1)
    first, second = Scripted(s3=[Rejected("no")]), Scripted()
    await work(first, (2, 3, 4), 3)
    await say(5)
    await work(second, (6,), 2)
    await writer.close()
    assert [int(name.split(".")[2]) for name in first.got] == [2, 3, 4]
    assert [int(name.split(".")[2]) for name in second.got] == [5, 6]
    letters = [record async for record in read_to_end(given, topics.DEAD_LETTERS.full(given.topic_prefix))]
    assert [codec("dead_letter").decode(letter.value)["reason"] for letter in letters] == ["no"]
