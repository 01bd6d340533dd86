"""What was at an instant: the fold, in the order of the log, of the facts that had happened by then.

Of a slice of facts only the last state is published, so an instant can lie between two kept states. Where a state is kept
at exactly the last fact up to the instant, and nothing later lies before it in the log, that state is the answer; the
workspaces for which it is not so, few at any instant, are folded from their facts. Either way it is what the fold said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

from schemas import topics
from schemas.codec import Undecodable, codec
from streams.core import workspace
from streams.core.facts import Fact, Position
from streams.core.invalid import InvalidMessage
from streams.core.state import WorkspaceState
from streams.core.windows import DAY_NS
from streams.log_facts import read_fact
from streams.query.archive import Archive, Record

#: Lookups of one question; enough for two of them to share both the decoding and the looking.
_AT_ONCE: Final = 500

_STATE: Final = codec(topics.WORKSPACE_STATE.subject)
_LOG: Final = itemgetter("log_epoch", "log_partition", "log_offset")


async def states_at(archive: Archive, at_ns: int, workspace_id: str | None = None) -> list[Record]:
    """State records as the fold said them at an instant, by workspace id; nothing for a workspace unknown or forgotten then.

    Args:
        at_ns: ns since the Unix epoch; a fact of that very instant has happened.
        workspace_id: only of this workspace.
    """
    asked = {"at_ns": at_ns, "day": at_ns // DAY_NS, "workspace_id": workspace_id or ""}
    bounds = await archive.look("as_of_bounds", asked)
    kept = await _kept(archive, bounds)
    folded = await _folded(archive, at_ns, [row["workspace_id"] for row in bounds if row["workspace_id"] not in kept])
    found = [state for state in (kept | folded).values() if state is not None]
    return sorted(found, key=itemgetter("workspace_id"))


async def _kept(archive: Archive, bounds: Iterable[Mapping[str, Any]]) -> dict[str, Record | None]:
    """States that were published at the very last fact; None: forgotten by it."""
    clear = [(row["workspace_id"], row["last"]) for row in bounds if not row["goes_on"] or row["first"] > row["last"]]

    async def read(some: Sequence[tuple[str, int]]) -> dict[str, Record | None]:
        asked = {"ids": [one for one, _ in some], "positions": [position for _, position in some]}
        rows = await archive.look("as_of_states", asked, raw=("record",))
        return await asyncio.to_thread(
            lambda: {row["workspace_id"]: None if row["forgotten"] else _STATE.decode(row["record"]) for row in rows}
        )

    # The first are decoded while the archive looks for the next.
    found = await asyncio.gather(*(read(clear[begin : begin + _AT_ONCE]) for begin in range(0, len(clear), _AT_ONCE)))
    return dict(chain.from_iterable(part.items() for part in found))


async def _folded(archive: Archive, at_ns: int, workspace_ids: list[str]) -> dict[str, Record | None]:
    if not workspace_ids:
        return {}
    rows = await archive.look("facts_until", {"ids": workspace_ids, "at_ns": at_ns}, raw=("record",))
    begins = await begins_of(archive, workspace_ids)
    return await asyncio.to_thread(
        lambda: {
            workspace_id: workspace.to_record(fold_all(begin_of(workspace_id, begins), facts_of(of_one)))
            for workspace_id, of_one in groupby(rows, key=itemgetter("workspace_id"))
        }
    )


async def begins_of(archive: Archive, workspace_ids: list[str]) -> dict[str, bytes]:
    """What facts follow, of workspaces whose earlier facts were erased: without it a later life would be numbered anew."""
    return {row["workspace_id"]: row["rest"] for row in await archive.look("erased", {"ids": workspace_ids}, raw=("rest",))}


def begin_of(workspace_id: str, begins: Mapping[str, bytes]) -> WorkspaceState:
    """What a workspace is folded from: nothing, or what was kept of it when it was erased."""
    return workspace.from_bytes(begins[workspace_id]) if workspace_id in begins else workspace.initial(workspace_id)


async def facts_until(archive: Archive, workspace_id: str, at_ns: int) -> list[tuple[Fact, Position]]:
    """A workspace's facts that had happened by an instant, in the order of the log."""
    rows = await archive.look("facts_until", {"ids": [workspace_id], "at_ns": at_ns}, raw=("record",))
    return await asyncio.to_thread(lambda: list(facts_of(rows)))


def facts_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Fact, Position]]:
    """Facts of archived rows, and where they lay; what the fold refused then is left out, as it was left out then."""
    for row in rows:
        try:
            yield read_fact(row["record"]), Position(*_LOG(row))
        except (Undecodable, InvalidMessage):
            continue


def fold_all(state: WorkspaceState, facts: Iterable[tuple[Fact, Position]]) -> WorkspaceState:
    """Folds facts into a workspace, which is changed and returned."""
    for fact, position in facts:
        workspace.fold(state, fact, position)
    return state
