"""The archive's connection and its only writer: ClickHouse over HTTP, or chDB in this process.

Inserting again is always safe (`schemas/clickhouse/0001_tables.sql`), and is the crash recovery: insert deduplication
tokens lost rows under kill -9, because their log is written before the rows are visible.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, Error, NotSupportedError, ProgrammingError

from schemas.errors import SettingError, Unreachable, WstError
from streams.sinks import embedded_disk
from streams.sinks.erase import erase_again
from streams.sinks.rows import Block, PackedBlock

# The client logs each failure that it also raises; ours says it once, in words.
logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

#: A server that says nothing for so long is out of reach, s.
_PATIENCE_S: Final = 300

#: Settings of every insert. Rows of a replay or a wrong clock may lie in any number of partitions.
INSERT_SETTINGS: Final[Mapping[str, Any]] = {"async_insert": 0, "max_partitions_per_insert_block": 0}

#: Of samples, rows of one key in one insert meet with the first merge, and in readers' FINAL: to look for them at once trebles the cost.
_UNMERGED: Final[Mapping[str, Any]] = {"optimize_on_insert": 0}

#: ClickHouse's error codes: it lives, but refuses us or lacks what we need.
_AUTHENTICATION_FAILED: Final = frozenset((192, 193, 194, 516))
_UNKNOWN_DATABASE: Final = 81
_UNKNOWN_TABLE: Final = 60
_BUSY: Final = frozenset((75, 76, 159, 198, 202, 209, 210, 236, 241, 242, 243, 252, 279, 319, 425, 999, 1002))
"""Disk, timeouts, too many queries or parts, memory, read-only or lost replicas, network, unknown: it may well work later."""
_UNFIT: Final = frozenset((6, 26, 27, 38, 41, 53, 69, 70, 72, 117, 128, 131, 190, 321, 349, 407, 469, 691))
"""Values that cannot be parsed, converted or kept, too large, out of range, against a constraint: other rows may well go in."""


#: Options of the address that name files, and what stands for the authorities that come with the client.
_FILES: Final = frozenset(("ca_cert", "client_cert", "client_cert_key"))
_OF_CERTIFI: Final = "certifi"
#: What OpenSSL says → what is wrong, and what to do.
_TLS: Final = {
    "CERTIFICATE_VERIFY_FAILED": (
        "shows a certificate that is not trusted",
        "of an authority of your own add /?ca_cert=FILE to WST_CLICKHOUSE_URL, and write the name it is for",
    ),
    "WRONG_VERSION_NUMBER": ("speaks no TLS", "write http:// in WST_CLICKHOUSE_URL, or the port of TLS"),
}


class Busy(WstError):
    """ClickHouse is out of reach or overloaded: the same statement may succeed later."""

    exit_code = Unreachable.exit_code


class Unfit(WstError):
    """Rows are refused for what is in them: again they will be, others may go in."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the archive is, and its database.

    Attributes:
        url: `http(s)://user:password@host:port/?…` or `chdb:///DIRECTORY`.
        database: validated identifier.
    """

    url: str
    database: str

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.path}" if parts.scheme == "chdb" else f"{parts.scheme}://{parts.hostname}:{parts.port or ''}"

    @property
    def directory(self) -> Path | None:
        """The embedded engine's directory; None: a server."""
        parts = urlsplit(self.url)
        return Path(unquote(parts.path)) if parts.scheme == "chdb" else None


def connect(address: Address, patience_s: int = _PATIENCE_S) -> Client:
    """Opens a client of its own; synchronous, not for two threads at once.

    Args:
        patience_s: a server that says nothing for so long is out of reach; `send_receive_timeout` in the address says otherwise.

    Raises:
        SettingError: the address makes no sense.
        Unreachable: nobody answers there, or another process holds the directory.
    """
    parts = urlsplit(address.url)
    if parts.scheme not in ("http", "https", "chdb") or (parts.scheme == "chdb" and (parts.netloc or not parts.path.startswith("/"))):
        raise SettingError("WST_CLICKHOUSE_URL makes no sense", "write http://HOST:PORT, https://… or chdb:///DIRECTORY")
    with explained(address):
        directory = address.directory
        if directory is not None:
            return _open_embedded(directory)
        _check_options(parts.query)
        try:
            # The client's own retries would hide an outage; a session would refuse a second query while one runs. Of itself the client
            # speaks TLS on ports 443 and 8443 only, whatever the scheme.
            return clickhouse_connect.get_client(
                dsn=address.url, interface=parts.scheme, query_retries=0, autogenerate_session_id=False, send_receive_timeout=patience_s
            )
        except TypeError as error:  # options become its arguments
            raise SettingError("WST_CLICKHOUSE_URL has an option that the client does not know", str(error)) from error


def _check_options(query: str) -> None:
    """Files are read before anyone is asked: one that is missing would look like a server that is.

    Raises:
        SettingError: a certificate that the address names is no file.
    """
    for name, path in parse_qsl(query):
        if name in _FILES and path != _OF_CERTIFI and not Path(path).is_file():
            raise SettingError(f"WST_CLICKHOUSE_URL: there is no file {path} for {name}", "name the certificate's file, PEM")


def _open_embedded(directory: Path) -> Client:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"WST_CLICKHOUSE_URL: {directory} cannot be made", str(error)) from error
    return clickhouse_connect.get_client(interface="chdb", path=str(directory))


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turns the client's errors into ours.

    Raises:
        Busy: it may work later.
        Unfit: rows are refused for what is in them.
        Unreachable: the server refuses the user or is not trusted, or another process holds the directory.
        SettingError: the database or a table is missing.
        WstError: ClickHouse refuses the statement: a fault of ours.
    """
    try:
        yield
    except ClickHouseError as error:
        raise _explain(address, error) from error
    except OSError as error:
        # To the engine in process rows go through a file of the client's.
        raise Busy(
            f"ClickHouse's client at {address.shown} cannot go on ({_reason(error)})", "is the disk of temporary files full?"
        ) from error
    except UnicodeDecodeError as error:
        # Seen once, of the engine in process on a machine without a free processor: a block of an answer that was none.
        raise Busy(f"ClickHouse at {address.shown} does not answer in a way that can be read ({error})", "ask again") from error


def _explain(address: Address, error: ClickHouseError) -> WstError:
    code = error.code if isinstance(error, Error) else None
    first = _reason(error)
    if code in _AUTHENTICATION_FAILED:
        return Unreachable(f"ClickHouse at {address.shown} refuses the user or password", "check WST_CLICKHOUSE_URL")
    if code in (_UNKNOWN_DATABASE, _UNKNOWN_TABLE):
        return SettingError(f"the archive at {address.shown} lacks database {address.database} or its tables", "run `wst migrate`")
    if address.directory is not None and "Unable to open the chdb engine" in str(error):
        return Unreachable(
            f"the archive in {address.directory} is held by another process, or broken ({first})", "is another `wst up` running?"
        )
    for sign, (what, fix) in _TLS.items():
        if sign in first:
            return Unreachable(f"ClickHouse at {address.shown} {what} ({first})", fix)
    # Without a code it is no answer of ClickHouse's: the network, or a proxy in between; unless the client itself refuses.
    if code in _BUSY or (code is None and not isinstance(error, (DataError, ProgrammingError, NotSupportedError))):
        return Busy(f"ClickHouse at {address.shown} does not answer ({first})", "is it running? see WST_CLICKHOUSE_URL")
    if code in _UNFIT or isinstance(error, DataError):
        return Unfit(f"ClickHouse takes no such row ({first})")
    return WstError(f"ClickHouse at {address.shown} refuses a statement ({first})")


def _reason(error: BaseException) -> str:
    """The operating system's words where the network failed, else the server's first line."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(error).split("\n", 1)[0][:400]


@contextmanager
def written(address: Address, client: Client) -> Iterator[None]:
    """Around what writes: what it returns from is on disk, also that of the engine in this process.

    Raises:
        Busy: there is too little room to begin.
        Unreachable: not all was written; only another process can go on with that engine.
    """
    directory = address.directory
    if directory is None:  # a server minds its own disk
        yield
        return
    with explained(address):
        if not embedded_disk.may_write(directory, client):
            embedded_disk.check(directory, client)
            raise Busy(f"the disk under the archive in {directory} has less than {embedded_disk.ROOM >> 20} MiB left", "make room on it")
    yield
    with explained(address):
        embedded_disk.check(directory, client)


class ClickHouseSink:
    """Writes blocks of rows; what `write` returned from is on disk.

    Args:
        address: where; its tables must exist (`streams.migrate`).
    """

    def __init__(self, address: Address, opened: Callable[[Address], Client] = connect) -> None:
        self._address = address
        self._opened = opened
        self._client: Client | None = None
        self.rows = 0
        self.seconds = 0.0

    async def write(self, blocks: Sequence[Block]) -> None:
        """Inserts blocks, one insert per table, and deletes what belongs to an erased workspace.

        Raises:
            Busy: it may work later; the blocks may be in, wholly or in part, and have to be written again.
            Unfit: it will not work with these rows.
            Unreachable: the embedded engine could not write all it should have: this process cannot go on with it.
            WstError: it will not work later either.
        """
        await asyncio.to_thread(self._write, blocks)

    def _write(self, blocks: Sequence[Block]) -> None:
        started = time.perf_counter()
        if self._client is None:
            self._client = self._opened(self._address)
        with written(self._address, self._client):
            for block in blocks:
                with explained(self._address):
                    self._insert(self._client, block)
                self.rows += block.rows
            if blocks:
                with explained(self._address):
                    erase_again(self._client, self._address.database, blocks)
        self.seconds += time.perf_counter() - started

    def _insert(self, client: Client, block: Block) -> None:
        if isinstance(block, PackedBlock):
            table, settings = f"`{self._address.database}`.{block.table}", {**INSERT_SETTINGS, **_UNMERGED}
            client.raw_insert(table, list(block.kept), block.native(), settings, fmt="Native")
            return
        try:
            client.insert(
                block.table,
                block.columns,
                column_names=block.names,
                database=self._address.database,
                column_oriented=True,
                settings=dict(INSERT_SETTINGS),
            )
        except (ValueError, TypeError, OverflowError) as error:
            # The client wraps not all that Python says of a value that does not fit its column.
            raise Unfit(f"ClickHouse's client takes no such row ({_reason(error)})") from error

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._client is not None:
            await asyncio.to_thread(self._client.close)
            self._client = None
