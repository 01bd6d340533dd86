-- Facts of some workspaces that had happened by an instant, each workspace's in the order of the log.
SELECT workspace_id, record, log_epoch, log_partition, log_offset
FROM {db}.docker_events_rows FINAL
WHERE workspace_id IN {ids:Array(String)} AND at <= fromUnixTimestamp64Nano({at_ns:Int64}, 'UTC')
ORDER BY workspace_id, log_epoch, log_offset
