"""`Tracker`: states and changes of workspaces for programs that want no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

from schemas.errors import Refused
from schemas.settings import Settings
from streams.client.asks import Asked, checked_id, me, mute_arguments
from streams.client.callbacks import Callbacks, CallbackStats
from streams.client.source import Json, Source, State, source_of, the_one

_F = TypeVar("_F", bound=Callable[..., Any])
_SYNC_S: Final = 15.0
_COMMAND_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class TrackerStats:
    """How a tracker does.

    Attributes:
        workspaces: known now.
        sync_interval_seconds: between two listings of an engine, as it is in force; the longest, where engines differ.
        registered_callbacks: on state change.
        last_sync: when an engine was last listed, also where that found nothing new, RFC 3339 UTC; None: never yet.
        lag_records: records not taken yet; -1: not known.
        failures: records or answers that could not be used, and times the other side was away.
        callbacks: how each callback does.
    """

    workspaces: int
    sync_interval_seconds: float
    registered_callbacks: int
    last_sync: str | None
    lag_records: int
    failures: int
    callbacks: tuple[CallbackStats, ...]


class Tracker:
    """States in memory that follow what happens. Use it as an async context.

    Args:
        settings: None: those of the environment. With `brokers` set (WST_BROKERS) it reads Kafka, else the API (WST_API).
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._source: Source = source_of(settings)
        self._callbacks = Callbacks()
        self._source.listeners.changed.append(self._callbacks.call)

    async def __aenter__(self) -> Self:
        """Connects, and returns when all states are known.

        Raises:
            Unreachable: neither broker nor API answers.
        """
        try:
            await self._source.start()
        except BaseException:
            await self._source.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Lets callbacks that run come to an end for a moment, and disconnects."""
        await self._source.close()
        await self._callbacks.close()

    def on_state_change(self, callback: _F) -> _F:
        """Registers a callback, also as a decorator: `(workspace_id, old, new)`, sync or async.

        `old` is None for a new workspace, `new` for a forgotten one. It is called in order, once at a time; one that
        raises or hangs harms no other: what it misses is counted in `stats()`.
        """
        self._callbacks.add(callback)
        return callback

    def remove_callback(self, callback: Callable[..., Any]) -> None:
        """Calls it no more."""
        self._callbacks.remove(callback)

    def get_workspace_state(self, workspace: str) -> State | None:
        """A workspace as `wst status --json` shows it; None: unknown.

        Args:
            workspace: an id, or a name that only it has.

        Raises:
            Refused: several workspaces have that name.
        """
        workspace_id = the_one(self._source, workspace)
        return self._source.state(workspace if workspace_id is None else workspace_id)

    def get_all_workspace_states(self) -> dict[str, State]:
        """All states by workspace id."""
        found = ((workspace_id, self._source.state(workspace_id)) for workspace_id in self._source.ids())
        return {workspace_id: state for workspace_id, state in found if state is not None}

    async def force_sync(self, workspace: str | None = None, timeout_seconds: float = _SYNC_S) -> list[Json]:
        """Has engines listed now: of everything, or of one workspace; returns the `sync_complete` events that answer.

        Raises:
            Refused: there is no such workspace, or the answer is no.
            Unreachable: not all producers answer in time.
        """
        workspace_id = None if workspace is None else self._known(workspace)
        return await self._source.sync(workspace_id, timeout_seconds)

    async def archive(self, workspace: str, *, why: str = "", by: str | None = None) -> State | None:
        """Puts a workspace away that does not run; its state then.

        Args:
            workspace: an id, or a name that only it has.
            why: the reason, for the record.
            by: who asks, for the record; None: the user of this machine.

        Raises:
            Refused: it makes no sense now, and why; there is no such workspace, or several have that name.
            Unreachable: no worker has answered in time: it is in the log, and will be obeyed or refused.
        """
        return await self._command(self._known(workspace), "archive", why, by)

    async def unarchive(self, workspace: str, *, why: str = "", by: str | None = None) -> State | None:
        """Takes a workspace out of the archive; raises as `archive` does."""
        return await self._command(self._known(workspace), "unarchive", why, by)

    async def register(self, workspace_id: str, name: str = "", *, why: str = "", by: str | None = None) -> State | None:
        """Makes a workspace known that has no containers yet; raises as `archive` does.

        Raises:
            SettingError: that is no id.
        """
        return await self._command(checked_id(workspace_id), "register", why, by, {"name": name})

    async def rename(self, workspace: str, name: str, *, why: str = "", by: str | None = None) -> State | None:
        """Changes a workspace's name, and nothing else; raises as `archive` does."""
        return await self._command(self._known(workspace), "rename", why, by, {"name": name})

    async def forget(self, workspace: str, *, erase: bool = False, why: str = "", by: str | None = None) -> None:
        """Forgets a workspace that has no containers; raises as `archive` does.

        Args:
            erase: deletes the archive's rows of it, too. There is no way back.
        """
        await self._command(self._known(workspace), "forget", why, by, {"erase": "1"} if erase else {})

    async def mute(self, workspace: str, seconds: float, *, why: str = "", by: str | None = None) -> State | None:
        """Does not tell a workspace's alerts for so long; raises as `archive` does.

        Raises:
            SettingError: it is no time up to a year.
        """
        return await self._command(self._known(workspace), "mute", why, by, mute_arguments(seconds))

    async def unmute(self, workspace: str, *, why: str = "", by: str | None = None) -> State | None:
        """Tells a workspace's alerts again; raises as `archive` does."""
        return await self._command(self._known(workspace), "unmute", why, by)

    def _known(self, workspace: str) -> str:
        workspace_id = the_one(self._source, workspace)
        if workspace_id is None:
            raise Refused(f"there is no workspace {workspace[:200]!r}")
        return workspace_id

    async def _command(
        self, workspace_id: str, name: str, why: str, by: str | None, arguments: Mapping[str, str] = MappingProxyType({})
    ) -> State | None:
        return await self._source.command(workspace_id, Asked(name, me() if by is None else by, why, arguments), _COMMAND_S)

    async def set_sync_interval(self, seconds: float) -> None:
        """Sets how often engines are listed, for all producers and their next starts.

        Raises:
            SettingError: it is no interval between 1 s and 1 h.
        """
        await self._source.set_interval("sync", seconds)

    def stats(self) -> TrackerStats:
        """True counts and times."""
        states = self.get_all_workspace_states()
        callbacks = self._callbacks.stats()
        return TrackerStats(
            workspaces=len(states),
            sync_interval_seconds=self._source.interval_seconds("sync"),
            registered_callbacks=len(callbacks),
            last_sync=self._source.last_sync(),
            lag_records=self._source.lag(),
            failures=self._source.counts.failures,
            callbacks=tuple(callbacks),
        )
