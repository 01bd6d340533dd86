-- A workspace's use in steps of whole hours or days, from the windows of that grain; engines as in history_samples.sql. Percentiles
-- are merged from sketches, never averaged.
WITH
    engines AS (
        SELECT
            intDiv(toUnixTimestamp64Milli(start) * 1000000, {step_ns:Int64}) * {step_ns:Int64} AS begin, engine_id,
            max(container_count) AS containers, sum(covered_ns) AS covered, sum(observed_ns) AS observed, sum(cpu_core_ns) AS cpu,
            sum(memory_byte_seconds) AS held, sum(network_rx_bytes) AS rx, sum(network_tx_bytes) AS tx, sum(block_read_bytes) AS read,
            sum(block_write_bytes) AS written, sum(throttled_ns) AS throttled,
            max(cpu_millipercent_max) AS cpu_most, max(memory_used_bytes_max) AS used_most,
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)({state_cpu}) AS cpu_parts,
            quantilesDDMerge(0.01, 0.5, 0.95, 0.99)({state_memory}) AS used_parts
        FROM {db}.{windows} FINAL
        WHERE workspace_id = {workspace_id:String} AND {of_container}
            AND start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
        GROUP BY begin, engine_id
    )
SELECT
    begin AS begin_ns,
    max(engines.covered) / 1e9 AS covered_seconds,
    sum(engines.observed) / 1e9 AS observed_seconds,
    sum(engines.containers) AS container_count,
    sumOrNullIf(engines.cpu, cpu_most >= 0) / 1e9 AS cpu_core_seconds,
    sumOrNullIf(engines.cpu / engines.covered, cpu_most >= 0 AND engines.covered > 0) * 100 AS cpu_percent_mean,
    maxOrNullIf(cpu_most, cpu_most >= 0) / 1e3 AS cpu_percent_max,
    maxOrNullIf(cpu_parts[1], isFinite(cpu_parts[1])) / 1e3 AS cpu_percent_p50,
    maxOrNullIf(cpu_parts[2], isFinite(cpu_parts[2])) / 1e3 AS cpu_percent_p95,
    maxOrNullIf(cpu_parts[3], isFinite(cpu_parts[3])) / 1e3 AS cpu_percent_p99,
    sumOrNullIf(engines.held / engines.covered, used_most >= 0 AND engines.covered > 0) * 1e9 AS memory_used_bytes_mean,
    maxOrNullIf(used_most, used_most >= 0) AS memory_used_bytes_max,
    maxOrNullIf(used_parts[1], isFinite(used_parts[1])) AS memory_used_bytes_p50,
    maxOrNullIf(used_parts[2], isFinite(used_parts[2])) AS memory_used_bytes_p95,
    maxOrNullIf(used_parts[3], isFinite(used_parts[3])) AS memory_used_bytes_p99,
    sum(engines.rx) AS network_rx_bytes,
    sum(engines.tx) AS network_tx_bytes,
    sum(engines.read) AS block_read_bytes,
    sum(engines.written) AS block_write_bytes,
    sum(engines.throttled) / 1e9 AS throttled_seconds
FROM engines
GROUP BY begin
ORDER BY begin
