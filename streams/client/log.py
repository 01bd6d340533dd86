"""States and metrics straight from the log in Kafka, by the components the API itself is made of."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka import ConsumerRecord

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused, SettingError, Unreachable
from schemas.requests import interval_record, sync_record
from schemas.settings import Settings
from streams.api.answers import Answers
from streams.api.desk import Desk, NoAnswer
from streams.api.live import Live
from streams.api.pulse import Pulse
from streams.client.asks import Asked, checked_seconds, me
from streams.client.source import Counts, Json, Listeners, State, is_change
from streams.query.engine_view import EngineView
from streams.query.present import event_json, state_json, time_text
from streams.query.state_view import StateView
from streams.query.usage_view import UsageView
from streams.sinks.letters import KafkaLetters

_log: Final = logging.getLogger("wst.client")

_AGAIN_S: Final = (0.5, 1.0, 2.0, 5.0)
_ANSWERS: Final = frozenset((b"sync_complete", b"error"))
_EVENT: Final = codec(topics.WORKSPACE_CHANGES.subject)
_CONTROL: Final = codec(topics.WORKSPACE_CONTROL.subject)


class _Following(Live):
    """Follows also the answers to what was asked."""

    def __init__(self, settings: Settings, on_event: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(settings, None)
        self._on_event = on_event

    def _take_event(self, record: ConsumerRecord[bytes, bytes]) -> None:
        if dict(record.headers).get("wst-type") in _ANSWERS:
            event = _EVENT.decode(record.value)
            self.answers.take_event(event)
            self.pulse.beat()
            self._on_event(event)


class LogSource:
    """Follows `workspace.state`, `workspace.usage` and `workspace.control`, outside any consumer group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._states = StateView()
        self._usage = UsageView()
        self._states.listeners.append(self._changed)
        self._usage.listeners.append(self._sampled)
        self._live: Live | None = None
        self._task: asyncio.Task[None] | None = None
        self._writer = KafkaLetters(settings)
        self._engines = EngineView()
        self._outcomes, self._pulse = Answers(), Pulse()
        self._answers: dict[str, asyncio.Queue[Mapping[str, Any]]] = {}
        self._began = False
        self.listeners = Listeners()
        self.counts = Counts()

    async def start(self) -> None:
        """Returns when all states the log has are here.

        Raises:
            Unreachable: the broker does not answer, or topics are missing.
        """
        live = self._follow()
        following = asyncio.create_task(live.run())
        loaded = asyncio.create_task(live.loaded.wait())
        await asyncio.wait([following, loaded], return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        if following.done():
            following.result()
        self._began = True
        self._task = asyncio.create_task(self._go_on(following))

    def _follow(self) -> Live:
        live = _Following(self._settings, self._heard)
        # The same views for ever: what comes again after an outage is known and told to nobody.
        live.states, live.usage, live.engines = self._states, self._usage, self._engines
        live.answers, live.pulse = self._outcomes, self._pulse
        self._live = live
        return live

    async def _go_on(self, following: asyncio.Task[None]) -> None:
        attempt = 0
        try:
            while True:
                try:
                    await following
                except Unreachable as error:
                    self.counts.failures += 1
                    _log.warning("%s: trying again", error)
                await asyncio.sleep(_AGAIN_S[min(attempt, len(_AGAIN_S) - 1)])
                attempt += 1
                following = asyncio.create_task(self._follow().run())
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    def _changed(self, workspace_id: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        if not self._began or not self.listeners.changed:
            return
        old, new = self._shown(before), self._shown(after)
        if is_change(old, new):
            for changed in self.listeners.changed:
                changed(workspace_id, old, new)

    def _sampled(self, workspace_id: str) -> None:
        self.counts.metrics_taken += 1
        for sampled in self.listeners.sampled:
            sampled(workspace_id)

    def _shown(self, record: Mapping[str, Any] | None) -> State | None:
        return None if record is None else state_json(record, self._usage.metrics_of(record))

    def _heard(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "sync_complete":
            asked = event["sync"]["request_id"] if event["sync"] else ""
        else:
            asked = (event["error"] or {}).get("context", {}).get("request_id", "")
        if asked in self._answers:
            self._answers[asked].put_nowait(event)

    def ids(self) -> Sequence[str]:
        """Ids of all workspaces, sorted."""
        return [state["workspace_id"] for state in self._states]

    def find(self, name: str) -> Sequence[str]:
        """The id of the workspace with that id, else of those with that name."""
        return [state["workspace_id"] for state in self._states.find(name)]

    def state(self, workspace_id: str) -> State | None:
        """A workspace's state with its metrics."""
        self.counts.looked_up += 1
        found = self._shown(self._states.get(workspace_id))
        self.counts.found += found is not None
        return found

    def lag(self) -> int:
        """Records of the log not taken yet; -1: not known."""
        return max(-1, sum(self._live.lag().values())) if self._live is not None else -1

    def interval_seconds(self, name: str) -> float:
        """The interval in force: what was asked for last, else what listings say, else the setting."""
        return self._engines.interval_s(name, {"sync": self._settings.sync_interval, "collect": self._settings.collect_interval}[name])

    def last_sync(self) -> str | None:
        """When an engine was last listed; of listings that are older than the log tells, what states say."""
        return self._engines.last_listed() or time_text(max((state["last_sync_ns"] or 0 for state in self._states), default=0))

    def engines(self) -> list[Json]:
        """Engines that have containers."""
        found: dict[str, Json] = {}
        for state in self._states:
            for container in state["containers"]:
                known = found.setdefault(
                    container["engine_id"], {"id": container["engine_id"], "name": container["engine"], "containers": 0, "running": 0}
                )
                known["containers"] += 1
                known["running"] += container["state"] == "running"
        return [found[engine_id] for engine_id in sorted(found)]

    async def sync(self, workspace_id: str | None, timeout_s: float) -> list[Json]:
        """Asks producers to list now, and waits for those of the engines concerned."""
        waiting = self._states.engine_ids()
        if workspace_id is not None:
            waiting = {container["engine_id"] for container in (self._states.get(workspace_id) or {"containers": ()})["containers"]}
        request_id = f"py.{secrets.token_hex(8)}"
        answers = self._answers[request_id] = asyncio.Queue()
        got: list[Json] = []
        try:
            await self._writer.publish(
                [sync_record(self._settings.topic_prefix, "*", request_id, workspace_id=workspace_id or "", by=me())]
            )
            async with asyncio.timeout(timeout_s):
                while waiting or not got:
                    event = await answers.get()
                    if event["type"] == "error":
                        raise Refused(event["message"])
                    waiting.discard(event["engine_id"])
                    got.append(event_json(event))
        except TimeoutError as error:
            which = f" of {', '.join(sorted(waiting))}" if waiting else ""
            raise Unreachable(f"no answer from the producer{which} within {timeout_s:g} s", "does it run? `wst doctor` tells") from error
        finally:
            del self._answers[request_id]
        return got

    async def command(self, workspace_id: str, asked: Asked, timeout_s: float) -> State | None:
        """Writes the command as a fact of the workspace, and waits for what the fold makes of it."""
        live = self._live
        if live is None:
            raise SettingError("the tracker has not begun yet", "ask it within `async with Tracker() as tracker:`")
        name = (self._states.get(workspace_id) or {}).get("workspace_name", workspace_id)
        desk = Desk(self._writer, live, self._settings.topic_prefix, timeout_s)
        try:
            refusal = await desk.command(
                [(workspace_id, name)], asked.name, asked.command_id, by=asked.by, why=asked.why, arguments=asked.arguments
            )
        except NoAnswer as error:
            said = f"{asked.name} {workspace_id} is in the log, but no worker has folded it within {timeout_s:g} s"
            raise Unreachable(said, "`wst doctor` says what is wrong") from error
        if refusal is not None:
            raise Refused(f"{asked.name} {workspace_id}: {refusal}")
        return self._shown(self._states.get(workspace_id))

    async def set_interval(self, name: str, seconds: float) -> None:
        """Sets an interval of all producers."""
        record = interval_record(self._settings.topic_prefix, "*", name, checked_seconds(name, seconds))
        await self._writer.publish([record])
        # In force from here on, also before it has come back from the log.
        self._engines.apply_control(_CONTROL.decode(record.value))

    async def close(self) -> None:
        """Lets go of everything."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._writer.close()
