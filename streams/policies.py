"""The clock of policies: workspaces nobody uses, and ephemeral ones that are gone.

It decides nothing for good: it writes facts into the order of the workspace, with an identity that does not depend on when it
looked, and the fold acts on them unless the workspace was used meanwhile. So it may look again after a death, or twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from schemas import topics
from schemas.identity import notice_fact_id
from schemas.publish import Record, make_record
from schemas.settings import Settings
from streams.core.idle import IdlePolicy, as_record, gone_since_ns, idle_due
from streams.core.notices import notice_fact
from streams.core.state import WorkspaceState
from streams.core.words import duration
from streams.lane import Table

#: Workspaces looked at in one tick of a partition: a cold one is decoded for it, and the loop must not stand still.
_AT_ONCE: Final = 200
#: Longest time between two looks at a workspace, s; shorter where a policy is.
_LOOK_EVERY_S: Final = 60.0
_LOOKS_A_POLICY: Final = 4


def idle_policy(settings: Settings) -> IdlePolicy:
    """The idle policy of the settings."""
    return IdlePolicy(_ns(settings.idle_inactive_after), _ns(settings.idle_archive_after))


class Policies:
    """What time does to workspaces, looked at round by round.

    Args:
        table: the workspaces.
        send: takes the facts.
        monotonic_s: clock that never jumps, s.
        now_ns: the wall's, ns since the Unix epoch.
    """

    def __init__(
        self,
        table: Table[WorkspaceState],
        settings: Settings,
        send: Callable[[Record], None],
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._table = table
        self._prefix = settings.topic_prefix
        self._send = send
        self._monotonic_s = monotonic_s
        self._now_ns = now_ns
        self._idle = idle_policy(settings)
        self._ttl_ns = round(settings.ephemeral_ttl * 1e9)
        spans = (settings.ephemeral_ttl, settings.idle_inactive_after, settings.idle_archive_after)
        self._every_s = min(_LOOK_EVERY_S, *(span / _LOOKS_A_POLICY for span in spans if span is not None))
        self._rounds: dict[int, tuple[float, Iterator[bytes]]] = {}

    def tick(self, partition: int) -> None:
        """Looks at the next workspaces of a partition that is read."""
        now_s = self._monotonic_s()
        began_s, keys = self._rounds.get(partition, (-self._every_s, iter(())))
        for _ in range(_AT_ONCE):
            key = next(keys, None)
            if key is None:
                if now_s - began_s < self._every_s:
                    break
                began_s, keys = now_s, iter(self._table.keys(partition))
                continue
            state = self._table.peek(partition, key)
            if state is not None:
                self._look(state)
        self._rounds[partition] = began_s, keys

    def _look(self, state: WorkspaceState) -> None:
        now_ns = self._now_ns()
        gone_ns = gone_since_ns(state)
        if gone_ns is not None:
            if now_ns - gone_ns >= self._ttl_ns:
                reason = f"ephemeral, and removed {duration(self._ttl_ns)} ago"
                self._say("forget_due", state, now_ns, reason, gone_ns, "")
            return
        if not self._idle.is_off:
            for due in idle_due([as_record(state)], self._idle, now_ns):
                self._say("idle_due", state, now_ns, due.reason, due.since_ns, due.verdict)

    def _say(self, name: str, state: WorkspaceState, now_ns: int, reason: str, since_ns: int, about: str) -> None:
        fact: dict[str, Any] = notice_fact(
            name,
            (state.workspace_id, state.name),
            now_ns,
            notice_fact_id,
            recorded_at_ns=now_ns,
            about=about,
            identity_ns=since_ns,
            reason=reason,
            since_ns=since_ns,
        )
        self._send(
            make_record(
                topics.DOCKER_EVENTS,
                self._prefix,
                state.workspace_id,
                fact,
                kind="notice",
                record_id=fact["id"],
                timestamp_ms=now_ns // 1_000_000,
            )
        )


def _ns(span_s: float | None) -> int | None:
    return None if span_s is None else round(span_s * 1e9)
