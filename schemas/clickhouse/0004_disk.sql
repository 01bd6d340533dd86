-- Samples are nearly all of what the archive takes: each column with what was smallest for a day of real readings (benchmarks/sink.py).
-- CPU and memory come in steps (10 ms, 1 µs, pages of 4 KiB), which GCD takes out. Differences repeat where little happens, and ZSTD finds
-- them as they are, where T64 would tear them apart. Instants never repeat: T64. Parts that are there get it with their next merge.

ALTER TABLE ${database}.samples_rows${on_cluster} MODIFY COLUMN read_at CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN cpu_ns CODEC(GCD, ZSTD(3)),
    MODIFY COLUMN system_cpu_ns CODEC(GCD, ZSTD(3)),
    MODIFY COLUMN memory_used_bytes CODEC(GCD, T64, ZSTD(1)),
    MODIFY COLUMN memory_usage_bytes CODEC(GCD, T64, ZSTD(1)),
    MODIFY COLUMN memory_byte_seconds CODEC(T64, ZSTD(1)),
    MODIFY COLUMN network_rx_bytes CODEC(ZSTD(3)),
    MODIFY COLUMN network_tx_bytes CODEC(ZSTD(3)),
    MODIFY COLUMN network_rx_counted_bytes CODEC(ZSTD(3)),
    MODIFY COLUMN network_tx_counted_bytes CODEC(ZSTD(3)),
    MODIFY COLUMN network_rx_total_bytes CODEC(Delta, ZSTD(3)),
    MODIFY COLUMN network_tx_total_bytes CODEC(Delta, ZSTD(3)),
    MODIFY COLUMN network_namespace CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN log_offset CODEC(DoubleDelta, ZSTD(1));

-- How long rows are kept is a setting (streams/retention.py): the comments say which. Thirteen months, in days.

ALTER TABLE ${database}.usage_hourly_rows${on_cluster} MODIFY TTL toDateTime(start) + INTERVAL 397 DAY;
ALTER TABLE ${database}.samples_rows${on_cluster} MODIFY COMMENT 'Samples: one container between two readings. Kept for WST_KEEP_SAMPLES';
ALTER TABLE ${database}.usage_hourly_rows${on_cluster} MODIFY COMMENT 'Hourly windows of usage. Kept for WST_KEEP_HOURLY';
ALTER TABLE ${database}.usage_daily_rows${on_cluster} MODIFY COMMENT 'Daily windows of usage, UTC days. Kept for WST_KEEP_DAILY';
ALTER TABLE ${database}.docker_events_rows${on_cluster} MODIFY COMMENT 'Facts: engine events, observations, commands, notices. Kept for WST_KEEP_EVENTS';
ALTER TABLE ${database}.workspace_changes_rows${on_cluster} MODIFY COMMENT 'Events. Kept for WST_KEEP_EVENTS';
ALTER TABLE ${database}.dead_letters_rows${on_cluster} MODIFY COMMENT 'Refused records, whole. Kept for WST_KEEP_DEAD_LETTERS'
