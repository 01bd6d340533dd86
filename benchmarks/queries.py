"""How fast questions about the past are answered: 100 workspaces of 4 containers, a made-up sample each 40 s.

python -m benchmarks.queries             # three days, 2.6 million samples
python -m benchmarks.queries --days 30   # thirty days, 26 million: some minutes, 1 GB of disk, thrown away at the end

Samples are made by ClickHouse itself, hourly and daily windows from them by the sums the stream makes; each workspace changes its
state six times a day. Each question is asked through the same functions as the API's, of workspaces drawn at random.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable

from clickhouse_connect.driver import Client

from streams import migrate
from streams.core.windows import DAY_NS, HOUR_NS
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.history import history, plan
from streams.query.trends import top, trends
from streams.sinks.clickhouse import Address, connect

WORKSPACES, CONTAINERS, STEP_S, DAY_S = 100, 4, 40, 86_400
RUNS = 15
#: Yesterday's end: whole days, none of them older than the tables keep.
END_S = int(time.time()) // DAY_S * DAY_S

SAMPLES = """
INSERT INTO {db}.samples_rows (workspace_id, container_id, read_at, engine_id, engine, workspace_name, container_name, service, outcome,
    tick_at, interval_ns, cpu_ns, system_cpu_ns, online_cpus, cpu_limit_nanocpus, cpu_millipercent, memory_used_bytes, memory_usage_bytes,
    memory_limit_bytes, memory_byte_seconds, network_rx_bytes, network_tx_bytes, network_rx_counted_bytes, network_tx_counted_bytes,
    block_read_bytes, block_write_bytes, throttled_ns, page_faults, pids, network_rx_total_bytes, network_tx_total_bytes,
    block_read_total_bytes, block_write_total_bytes, network_namespace, started_at_ns, log_epoch, log_partition, log_offset, lean)
WITH {step:Int64} AS step, intDiv(number, {containers:Int64} * {ticks:Int64}) AS w,
    intDiv(number, {ticks:Int64}) % {containers:Int64} AS c, number % {ticks:Int64} AS tick,
    toInt64({begin:Int64}) + tick * step AS at, rand(1) % 1000 AS noise, 1 + (rand(2) % 50 = 0) * 8 AS burst,
    (20 + noise / 20 + w) * burst AS percent, 200000000 + c * 50000000 + noise * 4096 AS memory, noise * 100 AS rx
SELECT concat('workspace-', toString(w), '@host'), lower(hex(sipHash128(w, c))),
    fromUnixTimestamp64Nano(at * 1000000000 + rand(3) % 40 * 1000000, 'UTC'), 'E1', 'host', concat('workspace-', toString(w)),
    concat('workspace-', toString(w), '-', toString(c)), '', 'folded', fromUnixTimestamp64Nano(at * 1000000000, 'UTC'), step * 1000000000,
    toInt64(percent * step * 10000000), step * 8000000000, 8, -1, 0, memory, 1000000, 16000000000,
    0, rx, noise, 0, 0, 0, noise * 512, 0, noise, 12, tick * 50000, tick * 500, 0, tick * 250000, w * 8 + c,
    {begin:Int64} * 1000000000, 1, 0, tick, 1
FROM numbers({workspaces:Int64} * {containers:Int64} * {ticks:Int64})
"""
#: {grain} rounds, {who} is the container or empty; the sums are those of the stream, per tick first.
WINDOWS = """
INSERT INTO {db}.{table} (workspace_id, container_id, start, engine_id, engine, final, sample_count, tick_count, container_count,
    workspace_name, observed_ns, covered_ns, cpu_core_ns, memory_byte_seconds, network_rx_bytes, network_tx_bytes, block_read_bytes,
    block_write_bytes, cpu_millipercent_min, cpu_millipercent_max, memory_used_bytes_min, memory_used_bytes_max, log_epoch)
SELECT workspace_id, who, {grain}(tick_at, 'UTC') AS start, engine_id, 'host', true, sum(samples), count(), max(samples), any(name),
    sum(observed), sum(covered), sum(cpu), sum(held), sum(rx), sum(tx), sum(read), sum(written), min(percent), max(percent), min(used),
    max(used), 1
FROM (
    SELECT workspace_id, {who} AS who, engine_id, tick_at, any(workspace_name) AS name, count() AS samples, sum(interval_ns) AS observed,
        max(interval_ns) AS covered, sum(cpu_ns) AS cpu, sum(memory_byte_seconds) AS held, sum(network_rx_counted_bytes) AS rx,
        sum(network_tx_counted_bytes) AS tx, sum(block_read_bytes) AS read, sum(block_write_bytes) AS written,
        sum(cpu_millipercent) AS percent, sum(memory_used_bytes) AS used
    FROM {db}.samples_exact
    WHERE tick_at >= toDateTime({begin:Int64}, 'UTC') AND tick_at < toDateTime({begin:Int64} + 86400, 'UTC')
    GROUP BY workspace_id, who, engine_id, tick_at
)
GROUP BY workspace_id, who, start, engine_id
"""
STATES = """
INSERT INTO {db}.workspace_states_rows
    (workspace_id, workspace_name, status, condition, status_since, last_updated, seq, log_epoch, log_offset)
WITH intDiv(number, {changes:Int64}) AS w, number % {changes:Int64} AS n,
    fromUnixTimestamp64Nano(({begin:Int64} + n * 14400 + w) * 1000000000, 'UTC') AS at
SELECT concat('workspace-', toString(w), '@host'), concat('workspace-', toString(w)), if(n % 2 = 0, 'active', 'inactive'), 'ok',
    at, at, n, 1, n
FROM numbers({workspaces:Int64} * {changes:Int64})
"""

Question = Callable[[], Awaitable[object]]


def fill(client: Client, database: str, days: int) -> None:
    """Makes the archive, a day after the other."""
    settings = {"max_insert_threads": 1, "max_partitions_per_insert_block": 0, "async_insert": 0}
    common = {"step": STEP_S, "containers": CONTAINERS, "workspaces": WORKSPACES, "ticks": DAY_S // STEP_S}
    for day in range(days):
        asked = common | {"begin": END_S - (days - day) * DAY_S}
        client.command(SAMPLES.replace("{db}", database), parameters=asked, settings=settings)
        for table, grain in (("usage_hourly_rows", "toStartOfHour"), ("usage_daily_rows", "toStartOfDay")):
            for who in ("''", "toString(container_id)"):
                sql = WINDOWS.replace("{db}", database).replace("{table}", table).replace("{grain}", grain).replace("{who}", who)
                client.command(sql, parameters=asked, settings=settings)
    asked = {"workspaces": WORKSPACES, "changes": days * 6, "begin": END_S - days * DAY_S}
    client.command(STATES.replace("{db}", database), parameters=asked, settings=settings)


async def timed(name: str, ask: Question) -> None:
    """Asks again and again, one at a time, and prints a line."""
    spent, worked = [], []
    for _ in range(RUNS):
        begun, cpu = time.perf_counter(), time.process_time()
        await ask()
        spent.append((time.perf_counter() - begun) * 1000)
        worked.append((time.process_time() - cpu) * 1000)
    wall = f"least {min(spent):>7.1f}  median {statistics.median(spent):>7.1f}  most {max(spent):>7.1f} ms"
    print(f"{name:<58} {wall}  CPU {statistics.median(worked):>6.1f} ms", flush=True)


async def ask_all(archive: ClickHouseArchive, days: int) -> None:
    """The questions."""
    end_ns = END_S * 10**9
    draw = random.Random(4)

    def one() -> str:
        return f"workspace-{draw.randrange(WORKSPACES)}@host"

    def of(length_ns: int, step_s: float | None = None) -> Question:
        return lambda: history(archive, one(), None, plan(end_ns - length_ns, end_ns, step_s, end_ns))

    whole_ns = days * DAY_NS
    await timed("history of one workspace, an hour by 30 s (samples)", of(HOUR_NS))
    await timed("history of one workspace, a day by 5 min (samples)", of(DAY_NS, 300))
    await timed(f"history of one workspace, {days} days by the hour", of(whole_ns, 3600))
    await timed(f"history of one workspace, {days} days by the day", of(whole_ns, 86_400))
    await timed(f"trends of {WORKSPACES} workspaces, {days} days", lambda: trends(archive, None, days, "Europe/Berlin", end_ns))
    await timed(f"trend of one workspace, {days} days", lambda: trends(archive, one(), days, "Europe/Berlin", end_ns))
    await timed(
        f"top 10 by CPU of {days} days, each peak with its culprit", lambda: top(archive, None, "cpu", end_ns - whole_ns, end_ns, 10)
    )
    await timed("top 10 by CPU of an hour (samples)", lambda: top(archive, None, "cpu", end_ns - HOUR_NS, end_ns, 10))
    await timed("containers of one workspace in a day (samples)", lambda: top(archive, one(), "cpu", end_ns - DAY_NS, end_ns, 10))
    week = "SELECT workspace_id, sum(cpu_core_seconds) FROM usage_hourly WHERE hour >= now() - INTERVAL 8 DAY GROUP BY 1"
    await timed("wst query: sum of a week by workspace", lambda: archive.query(week, "json"))


def main() -> None:
    """Fills and asks in a directory that is thrown away."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=3, help="of samples, at most 30")
    days = min(30, options.parse_args().days)
    with tempfile.TemporaryDirectory() as folder:
        address = Address(f"chdb://{folder}", "wst")
        client = connect(address)
        migrate.apply(address, client)
        begun = time.perf_counter()
        fill(client, address.database, days)
        for table in ("samples_rows", "usage_hourly_rows", "usage_daily_rows"):
            sql = "SELECT sum(rows), sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = 'wst' AND table = {t:String}"
            ((rows, size, parts),) = client.query(sql, parameters={"t": table}).result_rows
            print(f"{table:<20}{rows:>12,} rows {size / 1e6:>9.1f} MB {size / rows:>6.1f} bytes a row, {parts} parts")
        print(f"made in {time.perf_counter() - begun:.0f} s", flush=True)
        archive = ClickHouseArchive(address)

        async def run() -> None:
            await ask_all(archive, days)
            await archive.close()

        asyncio.run(run())
        client.close()


if __name__ == "__main__":
    main()
