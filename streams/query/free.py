"""Runs a stranger's SQL on the archive: read only, within limits, after `sql_rules` has looked at it. Blocks: for a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from schemas.errors import Refused, SettingError
from streams.query import sql_rules
from streams.query.clients import Threads
from streams.sinks.clickhouse import Address, connect, explained

LONGEST_SQL: Final = 16 * 1024
#: What has not answered so long after its limit hangs, s.
_HANGS_S: Final = 10
#: What is asked of ClickHouse, and in which of its formats.
FORMATS: Final[Mapping[str, str]] = {"json": "JSONCompact", "parquet": "Parquet"}
_PRESENTED: Final[Mapping[str, Any]] = {
    "date_time_output_format": "iso",
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_denormals": 0,
    "output_format_json_validate_utf8": 1,
}
#: ClickHouse's codes for a limit that was reached.
LIMIT_CODES: Final = frozenset((158, 159, 160, 162, 167, 241, 307, 396, 453))
#: Codes of an archive that is out of reach, or of a user it refuses: not the question's fault.
_NOT_OURS: Final = frozenset((192, 193, 194, 198, 209, 210, 279, 425, 516))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one question may cost."""

    seconds: int = 10
    rows: int = 100_000
    result_bytes: int = 96 << 20
    memory_bytes: int = 1 << 30
    threads: int = 1

    @property
    def settings(self) -> dict[str, Any]:
        """As settings of ClickHouse."""
        return {
            "max_execution_time": self.seconds,
            "timeout_overflow_mode": "throw",
            "max_result_rows": self.rows,
            "max_result_bytes": self.result_bytes,
            "result_overflow_mode": "throw",
            "max_memory_usage": self.memory_bytes,
            "max_threads": self.threads,
            "allow_ddl": 0,
            "allow_introspection_functions": 0,
        }

    def __str__(self) -> str:
        return f"{self.seconds} s, {self.rows:,} rows, {self.result_bytes >> 20} MiB of answer and {self.memory_bytes >> 20} MiB of memory"


class FreeQueries:
    """Answers questions in SQL, a few at a time, in threads of their own: neither the loop nor the sink waits for them."""

    def __init__(
        self, address: Address, limits: Limits | None = None, at_once: int = 2, opened: Callable[[Address, int], Client] = connect
    ) -> None:
        self._address = address
        self._limits = limits or Limits()
        self._threads = Threads(at_once)
        self._opened = opened
        self._table_functions: frozenset[str] = frozenset()

    async def run(self, sql: str, form: str = "json") -> bytes:
        """The answer in a format: `json` is ClickHouse's JSONCompact, times RFC 3339.

        Raises:
            SettingError: ClickHouse cannot make sense of it.
            Refused: it may not be asked, or costs too much.
            WstError: the archive is out of reach.
        """
        if form not in FORMATS:
            raise SettingError(f"format: {form[:80]!r} is none of {', '.join(FORMATS)}")
        if len(sql) > LONGEST_SQL:
            raise Refused(f"sql: longer than {LONGEST_SQL} characters")
        return await self._threads.run(self._run, sql, FORMATS[form])

    async def close(self) -> None:
        """Lets go of the threads, after the questions that run."""
        await self._threads.close()

    def _run(self, sql: str, form: str) -> bytes:
        with explained(self._address):
            client = self._opened(self._address, self._limits.seconds + _HANGS_S)
        try:
            with self._judged():
                asked = _Locked(client, self._address, {**self._limits.settings, **_PRESENTED})
                return asked.raw(self._looked_at(asked, sql), form)
        finally:
            client.close()

    def _looked_at(self, asked: _Locked, sql: str) -> str:
        """The statement as it may run."""
        if not self._table_functions:
            self._table_functions = frozenset(name.lower() for name in asked.column("SELECT name FROM system.table_functions"))
            foreign = asked.column("SELECT name FROM system.functions WHERE origin != 'System'")
            # What an administrator added may do anything.
            self._table_functions |= frozenset(name.lower() for name in foreign)
        (canonical,) = asked.column("SELECT formatQuerySingleLine({sql:String})", {"sql": sql})
        database = self._address.database
        select = sql_rules.readable(canonical, database)
        if select is not None:
            # In brackets there is no FORMAT, no INTO OUTFILE and no second statement: what is behind the SELECT is a syntax error.
            inner = f"SELECT * FROM ({select})"
            sql_rules.judge_ast(asked.column(f"EXPLAIN AST {inner}"), database, self._table_functions)
            sql_rules.judge_tree(asked.column(f"EXPLAIN QUERY TREE {inner}"), database, self._table_functions)
        return canonical

    def _judged(self) -> _Explaining:
        return _Explaining(self._address, self._limits)


class _Locked:
    """A client that can only read, within limits: of a session that cannot be unlocked (chDB), or of each request (a server)."""

    def __init__(self, client: Client, address: Address, settings: dict[str, Any]) -> None:
        self._client = client
        self._settings: dict[str, Any] | None = settings | {"readonly": 1}
        client.database = address.database
        if address.directory is not None:
            client.command("SET " + ", ".join(f"{name} = {value!r}" for name, value in settings.items()))
            client.command("SET readonly = 1")
            self._settings = None

    def column(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[str]:
        """The first column of an answer."""
        result = self._client.query(sql, parameters=dict(parameters or {}), settings=self._settings)
        return [str(row[0]) for row in result.result_rows]

    def raw(self, sql: str, form: str) -> bytes:
        """An answer in a format of ClickHouse."""
        return bytes(self._client.raw_query(sql, settings=self._settings, fmt=form))


class _Explaining:
    """Turns ClickHouse's answers about a question into ours."""

    def __init__(self, address: Address, limits: Limits) -> None:
        self._explained = explained(address)
        self._limits = limits

    def __enter__(self) -> None:
        self._explained.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> bool | None:
        code = error.code if isinstance(error, Error) else None
        if isinstance(error, ClickHouseError) and code is not None and code not in _NOT_OURS:
            self._explained.__exit__(None, None, None)
            said = str(error).split("\n", 1)[0].split("DB::Exception: ")[-1][:400]
            if code in LIMIT_CODES:
                raise Refused(f"sql: it costs more than a question may: {self._limits}", f"narrow it ({said})") from error
            raise SettingError(f"sql: {said}") from error
        return self._explained.__exit__(kind, error, trace)
