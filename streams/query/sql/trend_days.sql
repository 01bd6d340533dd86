-- Sums of the hourly windows by workspace, engine and day back from the end of the range: all that slopes and weeks are made of.
SELECT
    workspace_id, engine_id, intDiv({until_ns:Int64} - 1 - toUnixTimestamp64Milli(start) * 1000000, 86400000000000) AS day,
    argMax(workspace_name, start) AS workspace_name, count() AS hour_count, sum(covered_ns) / 1e9 AS covered_seconds,
    sum(cpu_core_ns) / 1e9 AS cpu_core_seconds, sum(toFloat64(memory_byte_seconds)) AS memory_byte_seconds,
    sum(toFloat64(network_rx_bytes) + network_tx_bytes) AS network_bytes,
    sum(toFloat64(block_read_bytes) + block_write_bytes) AS disk_bytes
FROM {db}.usage_hourly_rows FINAL
WHERE container_id = '' AND covered_ns > 0 AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
    AND start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY workspace_id, engine_id, day
ORDER BY workspace_id, day, engine_id
