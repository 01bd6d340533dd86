-- A workspace's use in steps, from samples. A sample covers the interval that ends with its reading: what it counted is spread over
-- the steps the interval meets, so that a step without a reading is covered all the same, and one that nobody saw is not there.
-- A tick's value is the sum over its containers; a workspace on two engines adds means and bytes up, and shows the higher maximum and
-- the higher percentiles: of ticks, within 1 %, as windows have them. Of one container where one is named.
WITH
    spans AS (
        SELECT
            engine_id, tick_at, container_id, interval_ns, cpu_millipercent, memory_used_bytes, cpu_ns, memory_byte_seconds,
            network_rx_counted_bytes, network_tx_counted_bytes, block_read_bytes, block_write_bytes, throttled_ns,
            toUnixTimestamp64Nano(read_at) AS ended, ended - interval_ns AS began
        FROM {db}.samples_exact
        WHERE workspace_id = {workspace_id:String} AND {of_container}
            -- An interval may reach into the range from behind its end; an hour is longer than any that is folded.
            AND read_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
            AND read_at < fromUnixTimestamp64Nano({until_ns:Int64} + 3600000000000, 'UTC')
            AND outcome IN ('folded', 'folded_late') AND interval_ns BETWEEN 1 AND 3600000000000
    ),
    pieces AS (
        SELECT
            *, least(ended, begin + {step_ns:Int64}) - greatest(began, begin) AS overlap, overlap / interval_ns AS share
        FROM (
            SELECT *, arrayJoin(range(intDiv(began, {step_ns:Int64}) * {step_ns:Int64}, ended, {step_ns:Int64})) AS begin
            FROM spans
        )
        WHERE begin >= {since_ns:Int64} AND begin < {until_ns:Int64}
    ),
    ticks AS (
        SELECT
            begin, engine_id, tick_at, uniqExact(container_id) AS containers, max(overlap) AS covered, sum(overlap) AS observed,
            sumOrNullIf(cpu_ns * share, cpu_ns >= 0) AS cpu,
            sumOrNullIf(memory_byte_seconds * share, memory_byte_seconds >= 0) AS held,
            sumOrNullIf(network_rx_counted_bytes * share, network_rx_counted_bytes >= 0) AS rx,
            sumOrNullIf(network_tx_counted_bytes * share, network_tx_counted_bytes >= 0) AS tx,
            sumOrNullIf(block_read_bytes * share, block_read_bytes >= 0) AS read,
            sumOrNullIf(block_write_bytes * share, block_write_bytes >= 0) AS written,
            sumOrNullIf(throttled_ns * share, throttled_ns >= 0) AS throttled,
            sumOrNullIf(cpu_millipercent, cpu_millipercent >= 0) AS cpu_then,
            sumOrNullIf(memory_used_bytes, memory_used_bytes >= 0) AS used_then
        FROM pieces
        GROUP BY begin, engine_id, tick_at
    ),
    engines AS (
        SELECT
            begin, engine_id, max(containers) AS containers, sum(ticks.covered) AS covered, sum(ticks.observed) AS observed,
            sumOrNull(ticks.cpu) AS cpu, sumOrNull(ticks.held) AS held, sumOrNull(ticks.rx) AS rx, sumOrNull(ticks.tx) AS tx,
            sumOrNull(ticks.read) AS read, sumOrNull(ticks.written) AS written, sumOrNull(ticks.throttled) AS throttled,
            max(cpu_then) AS cpu_most, max(used_then) AS used_most,
            quantilesDDIf(0.01, 0.5, 0.95, 0.99)(assumeNotNull(cpu_then), cpu_then IS NOT NULL) AS cpu_parts,
            quantilesDDIf(0.01, 0.5, 0.95, 0.99)(assumeNotNull(used_then), used_then IS NOT NULL) AS used_parts
        FROM ticks GROUP BY begin, engine_id
    )
SELECT
    begin AS begin_ns,
    max(engines.covered) / 1e9 AS covered_seconds,
    sum(engines.observed) / 1e9 AS observed_seconds,
    sum(engines.containers) AS container_count,
    sumOrNull(engines.cpu) / 1e9 AS cpu_core_seconds,
    sumOrNull(engines.cpu / engines.covered) * 100 AS cpu_percent_mean,
    max(cpu_most) / 1e3 AS cpu_percent_max,
    maxOrNullIf(cpu_parts[1], isFinite(cpu_parts[1])) / 1e3 AS cpu_percent_p50,
    maxOrNullIf(cpu_parts[2], isFinite(cpu_parts[2])) / 1e3 AS cpu_percent_p95,
    maxOrNullIf(cpu_parts[3], isFinite(cpu_parts[3])) / 1e3 AS cpu_percent_p99,
    sumOrNull(engines.held / engines.covered) * 1e9 AS memory_used_bytes_mean,
    max(used_most) AS memory_used_bytes_max,
    maxOrNullIf(used_parts[1], isFinite(used_parts[1])) AS memory_used_bytes_p50,
    maxOrNullIf(used_parts[2], isFinite(used_parts[2])) AS memory_used_bytes_p95,
    maxOrNullIf(used_parts[3], isFinite(used_parts[3])) AS memory_used_bytes_p99,
    round(sumOrNull(engines.rx)) AS network_rx_bytes,
    round(sumOrNull(engines.tx)) AS network_tx_bytes,
    round(sumOrNull(engines.read)) AS block_read_bytes,
    round(sumOrNull(engines.written)) AS block_write_bytes,
    sumOrNull(engines.throttled) / 1e9 AS throttled_seconds
FROM engines
GROUP BY begin
ORDER BY begin
