-- Who used most, by hourly windows of whole workspaces; the hour of the peak is where its culprit is looked for. Percentiles are
-- merged from sketches, never averaged.
SELECT
    workspace_id,
    argMax(name, start) AS workspace_name,
    sum(hours.covered) AS covered_seconds,
    sum(hours.cpu) AS cpu_core_seconds,
    sum(hours.cores * hours.covered) / covered_seconds * 100 AS cpu_percent_mean,
    max(hours.cpu_most) / 1e3 AS cpu_percent_max,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(hours.cpu_parts)[2] AS cpu_part,
    if(isFinite(cpu_part), cpu_part / 1e3, NULL) AS cpu_percent_p95,
    sum(hours.memory * hours.covered) / covered_seconds AS memory_used_bytes_mean,
    max(hours.memory_most) AS memory_used_bytes_max,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(hours.memory_parts)[2] AS memory_part,
    if(isFinite(memory_part), memory_part, NULL) AS memory_used_bytes_p95,
    sum(hours.network) AS network_bytes,
    sum(hours.disk) AS disk_bytes,
    argMax(toUnixTimestamp64Milli(start), {peak}) * 1000000 AS peak_hour_ns
FROM (
    SELECT
        workspace_id, start, any(workspace_name) AS name, max(covered_ns) / 1e9 AS covered, sum(cpu_core_ns) / 1e9 AS cpu,
        sum(cpu_core_ns / covered_ns) AS cores, sum(memory_byte_seconds / covered_ns) * 1e9 AS memory,
        max(cpu_millipercent_max) AS cpu_most, max(memory_used_bytes_max) AS memory_most,
        quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)({state_cpu}) AS cpu_parts,
        quantilesDDMergeState(0.01, 0.5, 0.95, 0.99)({state_memory}) AS memory_parts,
        sum(toFloat64(network_rx_bytes) + network_tx_bytes) AS network, sum(toFloat64(block_read_bytes) + block_write_bytes) AS disk
    FROM {db}.usage_hourly_rows FINAL
    WHERE container_id = '' AND covered_ns > 0
        AND start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    GROUP BY workspace_id, start
) AS hours
GROUP BY workspace_id
ORDER BY {order} DESC, workspace_id
LIMIT {limit:UInt32}
