-- CPU by workspace, engine and hour of the day in a zone.
SELECT
    workspace_id, engine_id, toHour(start, {tz:String}) AS hour, sum(covered_ns) / 1e9 AS covered_seconds,
    sum(cpu_core_ns) / 1e9 AS cpu_core_seconds
FROM {db}.usage_hourly_rows FINAL
WHERE container_id = '' AND covered_ns > 0 AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
    AND start >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND start < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
GROUP BY workspace_id, engine_id, hour
ORDER BY workspace_id, hour, engine_id
