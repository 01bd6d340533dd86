"""What the archive costs: rows/s into chDB from encoded records, and bytes on disk of a day, of a sample and of a fact.

python -m benchmarks.sink

A day of 10 containers in 2 workspaces, a reading each 10 s: the differences between readings are drawn from those of the
bundled recording, so that they have the noise of real ones. Facts are its engine events, told again on the days before.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import resources
from pathlib import Path

from clickhouse_connect.driver import Client

from producers import record
from producers.facts import At, Origin, event_fact
from producers.identity import Policy
from producers.recording import Entry, read
from producers.sample import Context, counters
from schemas import topics
from schemas.codec import codec
from schemas.counters import COLUMNS, pack, unpack
from schemas.usage_decoder import Sampled, decode_usage
from streams import migrate
from streams.core.facts import Position
from streams.core.usage import fold_tick, initial
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from streams.sinks.rows import arrived, blocks

DAY_S, TICK_S, WORKSPACES, CONTAINERS, FACTS = 86_400, 10, 2, 5, 20_000
SECOND_NS = 10**9
#: Yesterday's midnight: what is older than the tables keep would vanish.
BEGIN_S = int(time.time()) // DAY_S * DAY_S - DAY_S
RECORDS_AN_INSERT = 4_000
ENGINE_ID = "9f1a3c52-6f4b-4f0e-8a57-2d1f7c0b9e11"
#: Counters that only rise; all others are levels.
RISING = frozenset(
    number for number, name in enumerate(COLUMNS)
    if name.endswith(("_ns", "_faults", "_failures", "_periods", "_packets", "_errors", "_dropped", "_ops"))
    or name in ("network_rx_bytes", "network_tx_bytes", "block_read_bytes", "block_write_bytes")
)  # fmt: skip
READ, STARTED, NAMESPACE = (COLUMNS.index(name) for name in ("read_ns", "started_at_ns", "network_namespace"))

Encoded = tuple[topics.Topic, str, bytes]


class Walk:
    """A container whose counters move by differences drawn from recorded ones."""

    def __init__(self, series: Sequence[tuple[int, ...]], seed: int) -> None:
        self._random = random.Random(seed)
        # Recorded every 5 s: two steps are one of ours.
        self._pairs = list(zip(series, series[2:], strict=False))
        self._now = list(series[0])
        self._now[STARTED], self._now[NAMESPACE] = BEGIN_S * SECOND_NS - seed, seed
        self.container_id = blake2b(bytes([seed]), digest_size=32).hexdigest()

    def read(self, at_ns: int) -> bytes:
        before, after = self._random.choice(self._pairs)
        for number in range(len(COLUMNS)):
            if number in (READ, STARTED, NAMESPACE):
                continue
            known = before[number] >= 0 <= after[number]
            self._now[number] = self._now[number] + max(0, after[number] - before[number]) if known and number in RISING else after[number]
        self._now[READ] = at_ns + after[READ] % (40 * 10**6)
        return pack(self._now)


def day(series: Sequence[Sequence[tuple[int, ...]]]) -> Iterator[Encoded]:
    """Encoded `usage` records of a day, as the worker publishes them."""
    encode = codec(topics.WORKSPACE_USAGE.subject).encode
    names = [f"shop-{number}@laptop" for number in range(WORKSPACES)]
    walks = {name: [Walk(series[n % len(series)], 100 * w + n + 1) for n in range(CONTAINERS)] for w, name in enumerate(names)}
    states = {name: initial(name) for name in names}
    for number in range(DAY_S // TICK_S):
        at_ns = (BEGIN_S + number * TICK_S) * SECOND_NS
        for partition, name in enumerate(names):
            samples = [
                {"container_id": walk.container_id, "container_name": f"shop-web-{n}", "service": f"web-{n}", "counters": walk.read(at_ns)}
                for n, walk in enumerate(walks[name])
            ]
            tick = {
                "workspace_id": name, "workspace_name": "shop", "engine_id": ENGINE_ID, "engine_name": "laptop", "generation": 0,
                "tick_at_ns": at_ns, "interval_ms": TICK_S * 1000, "part": 0, "parts": 1, "host_cpus": 8, "host_memory_bytes": 1 << 34,
                "labels": {}, "samples": samples,
            }  # fmt: skip
            states[name], told = fold_tick(states[name], tick, Position(1, partition, number), at_ns // 10**6)
            yield from ((topics.WORKSPACE_USAGE, name, encode(one)) for one in told)


def facts(entries: Sequence[Entry]) -> list[Encoded]:
    """The recording's engine events as facts, on one day after the other."""
    rules = record.Rules("laptop", Policy(), lambda command: blake2b(command.encode(), digest_size=8).hexdigest())
    happened = [one for entry in entries if entry.kind == "event" and isinstance(one := record.event(entry.answer, rules), record.Happened)]
    origin = Origin("", ENGINE_ID, "laptop", "benchmark")
    made = []
    for number in range(FACTS):
        one = happened[number % len(happened)]
        at_ns = one.time_ns - number // len(happened) * DAY_S * SECOND_NS
        fact = event_fact(origin, At(0, at_ns, at_ns + 10**6), one, "shop")
        made.append((topics.DOCKER_EVENTS, (fact.key or b"").decode(), fact.value or b""))
    return made


@dataclass(slots=True)
class Spent:
    """Seconds: records to rows, rows into ClickHouse, and the CPU time of both, of all threads."""

    rows: int = 0
    making_s: float = 0.0
    inserting_s: float = 0.0
    cpu_s: float = 0.0


async def carry(sink: ClickHouseSink, records: Sequence[Encoded]) -> Spent:
    """Records into the archive as the sink does it."""
    spent, cpu_s = Spent(), time.process_time()
    for begin in range(0, len(records), RECORDS_AN_INSERT):
        started = time.perf_counter()
        part = [
            arrived(topic.name, Position(1, 0, begin + number), key.encode(), value, (), 0)
            for number, (topic, key, value) in enumerate(records[begin : begin + RECORDS_AN_INSERT])
        ]
        made = blocks(records[begin][0].name, part)
        spent.rows += sum(block.rows for block in made)
        done = time.perf_counter()
        await sink.write(made)
        spent.making_s += done - started
        spent.inserting_s += time.perf_counter() - done
    spent.cpu_s = time.process_time() - cpu_s
    return spent


def on_disk(client: Client, address: Address, table: str) -> tuple[int, int]:
    """Rows and bytes of a table, merged."""
    client.command(f"OPTIMIZE TABLE `{address.database}`.{table} FINAL")
    sql = "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = {d:String} AND table = {t:String}"
    ((rows, size),) = client.query(sql, parameters={"d": address.database, "t": table}).result_rows
    return int(rows), int(size)


async def measure(folder: str) -> None:
    """Prints the table."""
    with resources.as_file(resources.files("producers") / "data" / "demo.wstrec.gz") as path:
        _, entries = read(Path(path))
    address = Address(f"chdb://{folder}", "wst")
    client = connect(address)
    migrate.apply(address, client)
    sink = ClickHouseSink(address)
    usage, told = list(day(series_of(entries))), facts(entries)
    samples = [one for one in usage if isinstance(decode_usage(one[1].encode(), one[2]), Sampled)]
    windows = [one for one in usage if not isinstance(decode_usage(one[1].encode(), one[2]), Sampled)]
    for name, records in (("samples", samples), ("windows", windows), ("facts", told)):
        spent = await carry(sink, records)
        whole_s = spent.making_s + spent.inserting_s
        print(
            f"{name:<8}{len(records):>8,} records {spent.rows:>8,} rows  {spent.rows / whole_s:>9,.0f} rows/s"
            f" {spent.rows / spent.cpu_s:>9,.0f} of a core"
            f"  (to rows {spent.making_s / spent.rows * 1e6:.1f} µs, insert {spent.inserting_s / spent.rows * 1e6:.1f} µs a row;"
            f" CPU {spent.cpu_s / spent.rows * 1e6:.1f} µs a row)"
        )
    a_day = 0
    for table in ("samples_rows", "usage_hourly_rows", "usage_daily_rows", "docker_events_rows"):
        rows, size = on_disk(client, address, table)
        a_day += size if table != "docker_events_rows" else 0
        print(f"{table:<20}{rows:>8,} rows {size:>11,} bytes  {size / rows:>7.1f} bytes a row")
    print(f"a day of {WORKSPACES * CONTAINERS} containers at {TICK_S} s: {a_day / 1e6:.2f} MB, merged")
    await sink.close()
    client.close()


def series_of(entries: Sequence[Entry]) -> list[list[tuple[int, ...]]]:
    """Counters of the containers that were read often enough, in order."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for entry in entries:
        if entry.kind == "stats" and isinstance(packed := counters(entry.answer, Context()), bytes):
            found.setdefault(entry.container_id, []).append(unpack(packed))
    return [series for series in found.values() if len(series) >= 30]


def main() -> None:
    """Measures in a directory that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(folder))


if __name__ == "__main__":
    main()
