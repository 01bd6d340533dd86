-- What a workspace was within a range, the newest first; of the first and the last interval the whole length.
SELECT status, condition, `from`, `to`
FROM {db}.state_intervals
WHERE workspace_id = {workspace_id:String}
    AND `from` < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    AND (`to` IS NULL OR `to` > fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC'))
ORDER BY `from` DESC
LIMIT {limit:UInt32}
