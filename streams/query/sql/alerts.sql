-- Episodes of alerts, the youngest first; one of a workspace or an engine, a rule and its begin. A page begins behind an episode.
SELECT
    workspace_id, engine_id, rule, any(metric) AS metric, anyIf(container_id, type = 'alert_raised') AS container_id,
    anyIf(value, type = 'alert_raised') AS value, any(threshold) AS threshold, anyIf(message, type = 'alert_raised') AS message,
    minOrNullIf(at, type = 'alert_raised') AS raised_at, minOrNullIf(at, type = 'alert_resolved') AS resolved_at,
    any(since) AS since, anyIf(labels, type = 'alert_raised') AS labels, dedup_key, toUnixTimestamp64Nano(raised_at) AS raised_ns
FROM {db}.workspace_changes_rows FINAL
WHERE type IN ('alert_raised', 'alert_resolved') AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
GROUP BY workspace_id, engine_id, rule, dedup_key
HAVING ({open:Bool} = false OR resolved_at IS NULL)
    AND raised_at IS NOT NULL
    AND (resolved_at IS NULL OR resolved_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC'))
    AND ({after_ns:Int64} < 0 OR raised_ns < {after_ns:Int64} OR (raised_ns = {after_ns:Int64} AND dedup_key > {after_key:String}))
ORDER BY raised_at DESC, dedup_key
LIMIT {limit:UInt32}
