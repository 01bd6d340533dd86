-- Samples of a workspace as the view shows them, by time: the newest ones where there are more than asked for.
SELECT * FROM (
    SELECT * EXCEPT (log_epoch, log_partition, log_offset)
    FROM {db}.samples
    WHERE workspace_id = {workspace_id:String}
        AND read_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND read_at < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
    ORDER BY read_at DESC, container_id DESC, engine_id DESC
    LIMIT {limit:UInt32}
)
ORDER BY read_at, container_id, engine_id
