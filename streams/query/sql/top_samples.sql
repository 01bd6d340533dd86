-- Who used most in a range: containers of one workspace, or whole workspaces, from samples.
SELECT
    {who},
    argMax(ticks.workspace_name, tick_at) AS workspace_name,
    argMax(ticks.container_name, tick_at) AS container_name,
    sum(covered) / 1e9 AS covered_seconds,
    sum(ticks.cpu) / 1e9 AS cpu_core_seconds,
    sum(ticks.cpu) / sum(covered) * 100 AS cpu_percent_mean,
    max(cpu_then) / 1e3 AS cpu_percent_max,
    quantilesDDIf(0.01, 0.95)(assumeNotNull(cpu_then), cpu_then IS NOT NULL)[1] AS cpu_part,
    if(isFinite(cpu_part), cpu_part / 1e3, NULL) AS cpu_percent_p95,
    sum(ticks.held) / sum(covered) * 1e9 AS memory_used_bytes_mean,
    max(used_then) AS memory_used_bytes_max,
    quantilesDDIf(0.01, 0.95)(assumeNotNull(used_then), used_then IS NOT NULL)[1] AS used_part,
    if(isFinite(used_part), used_part, NULL) AS memory_used_bytes_p95,
    sum(ticks.network) AS network_bytes,
    sum(ticks.disk) AS disk_bytes,
    argMax(toUnixTimestamp64Nano(tick_at), {peak}) AS peak_ns
FROM (
    SELECT
        {who}, engine_id, tick_at, any(samples.workspace_name) AS workspace_name, any(samples.container_name) AS container_name,
        max(interval_ns) AS covered, sumIf(cpu_ns, cpu_ns > 0) AS cpu, sumIf(memory_byte_seconds, memory_byte_seconds > 0) AS held,
        sumIf(toFloat64(network_rx_counted_bytes), network_rx_counted_bytes > 0)
            + sumIf(toFloat64(network_tx_counted_bytes), network_tx_counted_bytes > 0) AS network,
        sumIf(toFloat64(block_read_bytes), block_read_bytes > 0) + sumIf(toFloat64(block_write_bytes), block_write_bytes > 0) AS disk,
        sumOrNullIf(cpu_millipercent, cpu_millipercent >= 0) AS cpu_then,
        sumOrNullIf(memory_used_bytes, memory_used_bytes >= 0) AS used_then,
        network / covered AS network_then, disk / covered AS disk_then
    FROM {db}.samples_exact AS samples
    WHERE ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
        AND read_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND read_at < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
        AND outcome IN ('folded', 'folded_late') AND interval_ns > 0
    GROUP BY {who}, engine_id, tick_at
) AS ticks
GROUP BY {who}
ORDER BY {order} DESC, {who}
LIMIT {limit:UInt32}
