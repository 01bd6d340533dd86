"""The containers of one engine, as far as producing needs them: whose they are, what an inspect showed, whether they run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from producers.record import STATE_ACTIONS, Details, Seen, Who
from producers.sample import Context
from schemas.counters import ABSENT
from schemas.identity import hash63

_RUNS_AFTER: Final = {"start": True, "unpause": True, "pause": True, "die": False, "destroy": False}
_STATE_AFTER: Final = {"create": "created", "start": "running", "unpause": "running", "pause": "paused", "die": None}
#: Actions after which an inspect shows something new.
DETAIL_ACTIONS: Final = frozenset({"create", "start", "die", "oom", "restart", "update", "rename"})
#: Ends remembered; a listing is settled within a second.
_GONE: Final = 1_000
_RUNNING_STATES: Final = frozenset({"running", "paused"})


@dataclass(slots=True)
class Known:
    """One container.

    Attributes:
        details: what the last inspect showed; None: none was made.
        stale: an event came after which an inspect shows something new.
        started_at_ns: start of the run, engine's clock, ns since the Unix epoch; -1: not known yet.
        state: state by the last listing or event; None: not known, or ambiguous since (a die may be followed by a restart).
        listed_state: state in the last listing; None: not listed yet, or events have changed it since.
        last_event_ns: time of its last event, engine's clock, ns since the Unix epoch; 0: none heard.
        last_state_event_ns: time of its last event that may change what a listing shows.
        detail_events: how many came after which an inspect shows something new.
    """

    who: Who
    details: Details | None = None
    stale: bool = True
    started_at_ns: int = ABSENT
    state: str | None = None
    listed_state: str | None = None
    running: bool = False
    last_event_ns: int = 0
    last_state_event_ns: int = 0
    detail_events: int = 0

    def inspected(self, details: Details) -> None:
        """Takes in what an inspect showed."""
        self.details = details
        self.stale = False
        self.started_at_ns = details.record["started_at_ns"] or ABSENT


class Registry:
    """All containers of one engine that are tracked, by id."""

    def __init__(self, engine_id: str) -> None:
        self._engine_id = engine_id
        self._known: dict[str, Known] = {}
        self._group_names: dict[str, str] = {}
        self._gone: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, container_id: str) -> Known | None:
        """The container, if it is known."""
        return self._known.get(container_id)

    def running(self) -> list[tuple[str, Known]]:
        """Containers that run, paused ones too: their counters can be read."""
        return [(container_id, known) for container_id, known in self._known.items() if known.running]

    def heard(self, who: Who, action: str, time_ns: int, *, late: bool = False) -> Known:
        """Takes in an event.

        Args:
            late: later ones may have been heard before it, and what they told stands; else an earlier time is a clock's that ran back.
        """
        container_id = who.container["id"]
        if late and container_id in self._gone:
            return Known(who)
        known = self._known.setdefault(container_id, Known(who))
        if not late or time_ns >= known.last_event_ns:
            known.who = self._noted(who)
        outdated = late and time_ns < known.last_state_event_ns and action != "destroy"
        known.last_event_ns = max(known.last_event_ns, time_ns)
        if action in STATE_ACTIONS and not outdated:
            known.last_state_event_ns = max(known.last_state_event_ns, time_ns)
            known.running = _RUNS_AFTER.get(action, known.running)
            known.state = _STATE_AFTER.get(action, known.state)
            if action not in ("kill", "health_status"):
                known.listed_state = None
        if action in DETAIL_ACTIONS:
            known.stale = True
            known.detail_events += 1
        if action == "start" and not outdated:
            known.started_at_ns = ABSENT
        if action == "destroy":
            del self._known[container_id]
            self._gone[container_id] = None
            if len(self._gone) > _GONE:
                del self._gone[next(iter(self._gone))]
        return known

    def is_gone(self, container_id: str) -> bool:
        """Its end was heard: a listing made a moment earlier may still show it."""
        return container_id in self._gone

    def listed(self, seen: Seen, *, settled: bool) -> Known:
        """Takes in an entry of a listing; what an unsettled one says of the state is not believed."""
        known = self._known.setdefault(seen.who.container["id"], Known(seen.who))
        known.who = self._noted(seen.who)
        if settled or known.last_event_ns == 0:
            known.state = known.listed_state = seen.state
            known.running = seen.state in _RUNNING_STATES
        return known

    def needs_inspect(self, known: Known, state: str) -> bool:
        """First seen, started or updated without an answer yet, or found different without an event, or from what events say."""
        if known.listed_state is not None:
            return known.stale or known.listed_state != state
        return known.stale or known.running != (state in _RUNNING_STATES)

    def keep_only(self, container_ids: Iterable[str], before_ns: int) -> None:
        """Forgets what a listing of that time no longer has."""
        there = set(container_ids)
        for container_id in [i for i, known in self._known.items() if i not in there and known.last_event_ns < before_ns]:
            del self._known[container_id]

    def context(self, container_id: str, known: Known) -> Context:
        """What a sample of the container needs beside the engine's answer."""
        limit = known.details.record["cpu_limit_nanocpus"] if known.details else None
        return Context(known.started_at_ns, self._namespace(container_id), limit or ABSENT)

    def _namespace(self, container_id: str, depth: int = 5) -> int:
        """Hash of the owner of the container's network namespace; 0: the host's."""
        known = self._known.get(container_id)
        mode = known.details.network_mode if known and known.details else ""
        if mode == "host":
            return 0
        kind, _, owner = mode.partition(":")
        if kind == "container" and owner and depth:
            return self._namespace(self._by_id_or_name(owner), depth - 1)
        return hash63("network", self._engine_id, container_id)

    def _by_id_or_name(self, given: str) -> str:
        if given in self._known:
            return given
        return next((i for i, known in self._known.items() if i.startswith(given) or known.who.container["name"] == given), given)

    def _noted(self, who: Who) -> Who:
        """Notes a name for the whole group: in a Compose dev container the dev container names the project."""
        identity = who.identity
        if identity.names_group:
            self._group_names[identity.workspace_id] = identity.workspace_name
        return who

    def workspace_name(self, who: Who) -> str:
        """The name of a container's workspace, for people."""
        return self._group_names.get(who.identity.workspace_id, who.identity.workspace_name)
