"""Deletes what `wst forget --erase` leaves in the archive, and whatever of it comes back.

Looked for after each insert, not before: of two sinks, one that inserts an old row and one that erases, whoever comes
second sees what the first did. Killed in between, the sink reads the same records again, and looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from clickhouse_connect.driver import Client

from streams.sinks.block import ERASED, Block

_OWN: Final = "workspace_id = {workspace:String}"
_FOLDED: Final = f"{_OWN} AND (log_epoch, log_offset) <= ({{epoch:Int64}}, {{offset:Int64}})"
_BEFORE: Final = "fromUnixTimestamp64Milli({at_ms:Int64} + 1, 'UTC')"
#: Table → what an erasure takes. Positions of one workspace compare where they are of facts: all lie in one partition. What was
#: told of other topics' records goes by its time.
REACH: Final = {
    "docker_events_rows": _FOLDED,
    "fact_days": f"{_OWN} AND last_position <= {{position:UInt128}}",
    "workspace_states_rows": _FOLDED,
    "workspaces_rows": _FOLDED,
    "state_moments": f"{_OWN} AND position <= {{position:UInt128}}",
    "workspace_changes_rows": (
        f"subject = {{workspace:String}} AND {_OWN} AND"
        f" if(stream = 'state', (cause_epoch, cause_offset) <= ({{epoch:Int64}}, {{offset:Int64}}), at < {_BEFORE})"
    ),
    "samples_rows": f"{_OWN} AND read_at < {_BEFORE}",
    "usage_hourly_rows": f"{_OWN} AND last_read_at < {_BEFORE}",
    "usage_daily_rows": f"{_OWN} AND last_read_at < {_BEFORE}",
    "dead_letters_rows": f"key = {{workspace:String}} AND refused_at < {_BEFORE}",
}
#: Filled by ClickHouse itself, from …
_FED: Final = {"docker_events_rows": "fact_days", "workspace_states_rows": "state_moments"}


def erase_again(client: Client, database: str, blocks: Sequence[Block]) -> None:
    """Deletes what was inserted just now of erased workspaces; of one erased just now, everything."""
    written = {block.table for block in blocks}
    ids = {_text(one) for block in blocks for one in _workspaces(block)}
    fed = {_FED[table] for table in written & _FED.keys()}
    erase(client, database, REACH.keys() if ERASED in written else written & REACH.keys() | fed, ids)


def erase(client: Client, database: str, tables: Iterable[str] = tuple(REACH), workspaces: Iterable[str] | None = None) -> None:
    """Deletes from tables what lies within the reach of an erasure.

    Args:
        workspaces: only of these; None: of all that were erased.
    """
    found = client.query(
        "SELECT workspace_id, log_epoch, log_offset, toUnixTimestamp64Milli(at), toString(position)"
        f" FROM `{database}`.{ERASED} FINAL ORDER BY workspace_id"
    )
    wanted = None if workspaces is None else set(workspaces)
    names = ("workspace", "epoch", "offset", "at_ms", "position")
    for row in found.result_rows:
        if wanted is None or row[0] in wanted:
            _erase_one(client, database, sorted(tables), dict(zip(names, row, strict=True)))


def _erase_one(client: Client, database: str, tables: Sequence[str], reach: dict[str, Any]) -> None:
    for table in tables:
        target = f"`{database}`.{table}"
        # Mostly nothing is there: a mutation would rewrite what it does not change. On a cluster it reaches the replicas by itself.
        if client.query(f"SELECT 1 FROM {target} WHERE {REACH[table]} LIMIT 1", parameters=reach).result_rows:
            client.command(f"ALTER TABLE {target} DELETE WHERE {REACH[table]}", parameters=reach, settings={"mutations_sync": 1})


def _workspaces(block: Block) -> set[str | bytes]:
    name = "key" if block.table == "dead_letters_rows" else "workspace_id"
    return set(block.columns[block.names.index(name)])


def _text(one: str | bytes) -> str:
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else one
