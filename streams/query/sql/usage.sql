-- Windows of a workspace as the view shows them, by time: one per engine; an hour or day that nobody saw is not there.
SELECT * EXCEPT (sketches, log_epoch, log_partition, log_offset)
FROM {db}.{view}
WHERE workspace_id = {workspace_id:String}
    AND {column} >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND {column} < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
ORDER BY {column}, engine_id
LIMIT {limit:UInt32}
