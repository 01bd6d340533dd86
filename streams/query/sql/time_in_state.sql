-- Seconds each workspace was in each status and condition within a range; what nobody knows is the status unknown.
SELECT workspace_id, status, condition, sum(seconds) AS seconds
FROM (
    SELECT
        workspace_id, status, condition,
        greatest(`from`, fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')) AS begins,
        least(coalesce(`to`, fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')), fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')) AS ends,
        (toUnixTimestamp64Nano(assumeNotNull(ends)) - toUnixTimestamp64Nano(begins)) / 1e9 AS seconds
    FROM {db}.state_intervals
    WHERE ({workspace_id:String} = '' OR workspace_id = {workspace_id:String})
)
WHERE ends > begins
GROUP BY workspace_id, status, condition
ORDER BY workspace_id, seconds DESC, status, condition
