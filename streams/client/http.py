"""States and metrics from the API of a running `wst up` or `wst api`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import httpx

from schemas.api import path_part
from schemas.errors import Refused, SettingError, Unreachable, WstError
from schemas.settings import Settings
from streams.cli.client import http_arguments, json_of, of_wst, problem_of, shown_address
from streams.client.asks import Asked, checked_seconds
from streams.client.source import Counts, Json, Listeners, State, is_change

_log: Final = logging.getLogger("wst.client")

#: How long one answer waits for events, and how much longer the client does, s.
_WAIT_S: Final = 20
_PATIENCE_S: Final = 10.0
#: All states are read again so often, s: metrics move without an event. More often while someone watches them.
_REFRESH_S: Final = 2.0
_WATCH_S: Final = 0.5
_AGAIN_S: Final = 0.5
#: Above so many changed workspaces at once all states are read.
_FEW: Final = 8
#: An event may be here before its state is in the API's view: asked again so often, so far apart.
_TRIES: Final = 40
_TRY_S: Final = 0.05


class AsyncApi:
    """The API, asynchronously.

    Args:
        settings: `api` and the tokens.
        transport: another way there than the network, such as an app in this process.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = shown_address(settings)
        self._client = httpx.AsyncClient(**http_arguments(settings, _WAIT_S + _PATIENCE_S), transport=transport)

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """The JSON at a path; raises as `request` does."""
        return await self.request("GET", path, params=params)

    async def request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Json | None = None) -> Any:
        """What a path answers.

        Raises:
            Unreachable: nobody answers there, or not as we know it.
            Refused: the answer is no, and says why.
            SettingError: the question makes no sense.
        """
        try:
            answer = await self._client.request(method, path, params=dict(params or {}), json=body)
        except httpx.InvalidURL as error:
            raise SettingError(f"WST_API = {self.url[:80]!r} is no address", str(error)) from error
        except httpx.HTTPError as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unreachable(f"no API answers at {self.url} ({why})", "start `wst up` or `wst api`, or set WST_API") from error
        if answer.is_success:
            return json_of(answer, self.url)
        raise problem_of(answer, self.url)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()


class ApiSource:
    """Follows the API: changes as its events say, metrics by reading all states every few seconds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api = AsyncApi(settings)
        self._states: dict[str, State] = {}
        self._sampled_at: dict[str, str | None] = {}
        self._place: str | None = None
        self._lag = -1
        self._intervals = {"sync": settings.sync_interval, "collect": settings.collect_interval}
        self._last_sync: str | None = None
        #: One question at a time: of two answers on their way the older might be taken last.
        self._asking = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self.listeners = Listeners()
        self.counts = Counts()

    async def start(self) -> None:
        """Returns when all states are here.

        Raises:
            Unreachable: the API does not answer.
        """
        try:
            with of_wst(self._api.url):
                await self._begin()
        except BaseException:
            await self._api.close()
            raise
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._refresh())]

    async def _begin(self) -> None:
        self._place = (await self._api.get("/api/v1/events/live"))["next"]
        for _ in range(_TRIES):
            try:
                states = await self._api.get("/api/v1/workspaces")
                break
            except Unreachable as error:
                # It answers, but has not loaded all states.
                if "still being loaded" not in str(error):
                    raise
                await asyncio.sleep(_AGAIN_S)
        else:
            raise Unreachable(f"the API at {self._api.url} does not get ready", "`wst doctor` says what is wrong")
        await self._take_statistics()
        for state in states:
            self._states[state["workspace_id"]] = state
            self._sampled_at[state["workspace_id"]] = state["metrics"]["sampled_at"]

    async def _follow(self) -> None:
        while True:
            try:
                asked = {"wait": _WAIT_S, "after": self._place} if self._place is not None else {}
                with of_wst(self._api.url):
                    heard = await self._api.get("/api/v1/events/live", asked)
                    lost, self._place = heard["gap"] or not asked, heard["next"]
                    await self._take_events(heard["events"], everything=lost)
            except WstError as error:
                self._failed(error)
                self._place = None
                await asyncio.sleep(_AGAIN_S)

    async def _take_events(self, events: Iterable[Json], *, everything: bool) -> None:
        wanted: dict[str, int] = {}
        for event in events:
            if event["stream"] == "state" and event["workspace_id"]:
                wanted[event["workspace_id"]] = max(event["seq"], wanted.get(event["workspace_id"], 0))
        if not wanted and not everything:
            return
        async with self._asking:
            if everything or len(wanted) > _FEW:
                await self._take_all(wanted)
            else:
                for workspace_id, seq in wanted.items():
                    await self._take_one(workspace_id, seq)

    async def _take_all(self, wanted: Mapping[str, int]) -> None:
        """Reads all states, once more while one of them is older than the event that was heard."""
        for _ in range(_TRIES):
            states = {state["workspace_id"]: state for state in await self._api.get("/api/v1/workspaces")}
            if all(key not in states or states[key]["seq"] >= seq for key, seq in wanted.items()):
                break
            await asyncio.sleep(_TRY_S)
        for workspace_id in sorted({*states, *self._states}):
            self._take(workspace_id, states.get(workspace_id))

    async def _take_one(self, workspace_id: str, seq: int) -> None:
        for _ in range(_TRIES):
            try:
                state: Json | None = await self._api.get(_path(workspace_id))
            except Refused:
                state = None
            if state is None or state["seq"] >= seq:
                break
            await asyncio.sleep(_TRY_S)
        self._take(workspace_id, state)

    def _take(self, workspace_id: str, new: State | None) -> None:
        old = self._states.pop(workspace_id, None)
        if new is not None:
            self._states[workspace_id] = new
        if is_change(old, new):
            for changed in self.listeners.changed:
                changed(workspace_id, old, new)
        sampled_at = new["metrics"]["sampled_at"] if new is not None else None
        if sampled_at != self._sampled_at.get(workspace_id) and sampled_at is not None:
            self.counts.metrics_taken += 1
            for sampled in self.listeners.sampled:
                sampled(workspace_id)
        self._sampled_at[workspace_id] = sampled_at

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_S if self.listeners.sampled else _REFRESH_S)
            try:
                with of_wst(self._api.url):
                    async with self._asking:
                        await self._take_all({})
                    await self._take_statistics()
            except WstError as error:
                self._failed(error)

    async def _take_statistics(self) -> None:
        said = await self._api.get("/api/v1/statistics")
        self._lag = sum(value for value in said["lag"].values() if value > 0)
        self._last_sync = said["last_sync"]
        self._intervals = {name: said[f"{name}_interval_seconds"] for name in self._intervals}

    def _failed(self, error: WstError) -> None:
        self.counts.failures += 1
        self._lag = -1
        _log.warning("%s: trying again", error)

    def ids(self) -> Sequence[str]:
        """Ids of all workspaces, sorted."""
        return sorted(self._states)

    def find(self, name: str) -> Sequence[str]:
        """The id of the workspace with that id, else of those with that name."""
        return [name] if name in self._states else sorted(key for key, state in self._states.items() if state["name"] == name)

    def state(self, workspace_id: str) -> State | None:
        """A workspace's state with its metrics, at most some seconds old."""
        self.counts.looked_up += 1
        found = self._states.get(workspace_id)
        self.counts.found += found is not None
        return found

    def lag(self) -> int:
        """Records the API itself has not taken yet; -1: not known."""
        return self._lag

    def interval_seconds(self, name: str) -> float:
        """The interval in force, whoever set it, as the API knows it."""
        return self._intervals[name]

    def last_sync(self) -> str | None:
        """When an engine was last listed, as the API knows it."""
        return self._last_sync

    def engines(self) -> list[Json]:
        """Engines that have containers."""
        found: dict[str, Json] = {}
        for state in self._states.values():
            for container in state["containers"]:
                known = found.setdefault(container["engine"], {"id": None, "name": container["engine"], "containers": 0, "running": 0})
                known["containers"] += 1
                known["running"] += container["state"] == "running"
        return [found[name] for name in sorted(found)]

    async def sync(self, workspace_id: str | None, timeout_s: float) -> list[Json]:
        """Has the API ask the producers to list now."""
        body = {} if workspace_id is None else {"workspace": workspace_id}
        try:
            async with asyncio.timeout(timeout_s):
                said = await self._api.request("POST", "/api/v1/sync", body=body)
        except TimeoutError as error:
            raise Unreachable(f"no answer from the producers within {timeout_s:g} s", "do they run? `wst doctor` tells") from error
        answers: list[Json] = said.get("syncs", []) if isinstance(said, dict) else []
        return answers

    async def command(self, workspace_id: str, asked: Asked, timeout_s: float) -> State | None:
        """Has the API give the command."""
        body: Json = {"by": asked.by, "why": asked.why, "command_id": asked.command_id, **_in_words(asked.arguments)}
        try:
            async with asyncio.timeout(timeout_s):
                said = await self._api.request("POST", f"{_path(workspace_id)}/{asked.name}", body=body)
        except TimeoutError as error:
            raise Unreachable(f"no worker has answered within {timeout_s:g} s", "`wst doctor` says what is wrong") from error
        state: State | None = said["workspace"]
        async with self._asking:
            known = self._states.get(workspace_id)
            # What is followed beside this may have come further already.
            if state is None or known is None or state["seq"] >= known["seq"]:
                self._take(workspace_id, state)
        return state

    async def set_interval(self, name: str, seconds: float) -> None:
        """Has the API set an interval of all producers."""
        await self._api.request("PUT", f"/api/v1/intervals/{name}", body={"every": f"{checked_seconds(name, seconds):g}s"})
        self._intervals[name] = seconds

    async def close(self) -> None:
        """Lets go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._api.close()


def _path(workspace_id: str) -> str:
    return f"/api/v1/workspaces/{path_part(workspace_id)}"


def _in_words(arguments: Mapping[str, str]) -> Json:
    """Arguments of the fold as the API's bodies have them."""
    return {
        {"for_s": "for"}.get(name, name): f"{value}s" if name == "for_s" else value == "1" if name == "erase" else value
        for name, value in arguments.items()
    }
