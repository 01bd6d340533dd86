-- Per workspace that had a fact by an instant: the highest position of a fact up to it, and the lowest of a later one.
-- Whole days come from fact_days; only the facts of the instant's own day are looked at. A command is partitioned apart.
WITH fromUnixTimestamp64Nano({at_ns:Int64}, 'UTC') AS instant, {day:Int32} AS today,
    fromUnixTimestamp64Nano(toInt64(today) * 86400000000000, 'UTC') AS begins,
    fromUnixTimestamp64Nano((toInt64(today) + 1) * 86400000000000, 'UTC') AS ends
SELECT workspace_id, maxIf(last, past) AS last, minIf(first, NOT past) AS first, countIf(NOT past) > 0 AS goes_on
FROM (
    SELECT workspace_id, first_position AS first, last_position AS last, day < today AS past
    FROM {db}.fact_days
    WHERE day != today AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
    UNION ALL
    SELECT workspace_id, bitNot(earliness) AS first, first AS last, at <= instant AS past
    FROM {db}.docker_events_rows
    WHERE identity_at >= begins AND identity_at < ends AND kind != 'command'
        AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
    UNION ALL
    SELECT workspace_id, bitNot(earliness) AS first, first AS last, at <= instant AS past
    FROM {db}.docker_events_rows
    WHERE identity_at = fromUnixTimestamp64Nano(0, 'UTC') AND kind = 'command' AND at >= begins AND at < ends
        AND ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
)
GROUP BY workspace_id
HAVING countIf(past) > 0
ORDER BY workspace_id
