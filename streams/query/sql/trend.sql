-- Per workspace, from hourly windows: the slope of its use, this week beside the last, and its use by hour of the day in a zone.
-- Means are over the time covered: an hour half seen weighs half as much, an hour nobody saw not at all.
WITH
    hours AS (
        SELECT
            workspace_id, start, any(workspace_name) AS name, max(covered_ns) / 1e9 AS covered, sum(cpu_core_ns) / 1e9 AS cpu,
            sum(cpu_core_ns / covered_ns) AS cores, sum(memory_byte_seconds / covered_ns) * 1e9 AS memory,
            sum(toFloat64(network_rx_bytes) + network_tx_bytes) AS network, sum(toFloat64(block_read_bytes) + block_write_bytes) AS disk,
            intDiv({until_ns:Int64} - 1 - toUnixTimestamp64Milli(start) * 1000000, 86400000000000) AS day,
            start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AS shown,
            start >= fromUnixTimestamp64Nano({week_ns:Int64}, 'UTC') AS this_week,
            NOT this_week AND start >= fromUnixTimestamp64Nano({last_week_ns:Int64}, 'UTC') AS last_week
        FROM {db}.usage_hourly_rows FINAL
        WHERE container_id = '' AND covered_ns > 0 AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
            AND start >= fromUnixTimestamp64Nano(least({since_ns:Int64}, {last_week_ns:Int64}), 'UTC')
            AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
        GROUP BY workspace_id, start
    )
SELECT
    workspace_id,
    argMax(name, start) AS workspace_name,
    countIf(shown) AS hour_count,
    sumIf(covered, shown) AS covered_seconds,
    sumIf(cpu, shown) AS cpu_core_seconds,
    sumIf(cores * covered, shown) / covered_seconds * 100 AS cpu_percent_mean,
    sumIf(memory * covered, shown) / covered_seconds AS memory_used_bytes_mean,
    sumIf(network, shown) AS network_bytes,
    sumIf(disk, shown) AS disk_bytes,
    -- By whole days back from the end of the range: hours would take the time of day for a slope.
    sumMapIf([day], [covered], shown) AS covered_by_day,
    sumMapIf([day], [cores * covered * 100], shown) AS cpu_percent_by_day,
    sumMapIf([day], [memory * covered], shown) AS memory_used_bytes_by_day,
    sumMapIf([day], [network], shown) AS network_bytes_per_second_by_day,
    sumIf(covered, this_week) AS this_week_covered_seconds,
    sumIf(covered, last_week) AS last_week_covered_seconds,
    sumIf(cores * covered, this_week) / this_week_covered_seconds * 100 AS this_week_cpu_percent,
    sumIf(cores * covered, last_week) / last_week_covered_seconds * 100 AS last_week_cpu_percent,
    sumIf(memory * covered, this_week) / this_week_covered_seconds AS this_week_memory_used_bytes,
    sumIf(memory * covered, last_week) / last_week_covered_seconds AS last_week_memory_used_bytes,
    sumIf(network, this_week) / this_week_covered_seconds AS this_week_network_bytes_per_second,
    sumIf(network, last_week) / last_week_covered_seconds AS last_week_network_bytes_per_second,
    sumMapIf([toHour(start, {tz:String})], [cores * covered], shown) AS cores_by_hour,
    sumMapIf([toHour(start, {tz:String})], [covered], shown) AS covered_by_hour
FROM hours
GROUP BY workspace_id
HAVING hour_count > 0
ORDER BY workspace_id
