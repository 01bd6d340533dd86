-- Tables. Nobody but the sink writes them, nobody but the views of 0002 and streams/query reads them.
--
-- A row may be inserted any number of times, in any order: ReplacingMergeTree keeps one row per sorting key, and
-- readers say FINAL. The sorting key is the identity of what is stored, and the partition is a function of it, so that
-- repeats always meet. Of a fact the EARLIEST position survives, as in the fold: `earliness` falls as the position rises.
-- Integers are signed and as wide as Avro's, so that no decodable record can fail to insert.
-- The last settings make an acknowledged insert, and a merge of it, survive a power cut.

CREATE DATABASE IF NOT EXISTS ${database}${on_cluster};

CREATE TABLE IF NOT EXISTS ${database}.docker_events_rows${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace the fact belongs to',
    at DateTime64(9, 'UTC') COMMENT 'When it happened, clock of the engine or of the writer, UTC' CODEC(DoubleDelta, ZSTD(1)),
    id String COMMENT 'Identity: a hash of what the fact says' CODEC(ZSTD(1)),
    kind LowCardinality(String) COMMENT 'engine_event, observation, command or notice',
    action LowCardinality(String) COMMENT 'Engine action, source of the observation, name of the command or notice',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine_id LowCardinality(String) COMMENT 'Engine; empty where none is involved',
    engine LowCardinality(String) COMMENT 'Name of the engine',
    generation Int32 COMMENT 'Clock generation of the engine: facts are ordered by generation and time' CODEC(T64, ZSTD(1)),
    recorded_at DateTime64(9, 'UTC') COMMENT 'When the writer recorded it, clock of the writer, UTC' CODEC(Delta, ZSTD(1)),
    container_id LowCardinality(String) COMMENT 'Container; empty for the workspace as a whole',
    container_name LowCardinality(String) COMMENT 'Name of the container, untrusted',
    service LowCardinality(String) COMMENT 'Service of the group, untrusted',
    image LowCardinality(String) COMMENT 'Image as the engine names it, untrusted',
    grouped_by LowCardinality(String) COMMENT 'Rule that found the workspace',
    labels Map(LowCardinality(String), String) COMMENT 'Labels that may be stored, untrusted' CODEC(ZSTD(1)),
    state LowCardinality(String) COMMENT 'State observed; empty where not judged',
    health LowCardinality(String) COMMENT 'Health said or observed; empty: none',
    present Nullable(Bool) COMMENT 'Observation: the engine has the container',
    exit_code Nullable(Int32) COMMENT 'Exit code of the container or exec',
    exec_duration_s Nullable(Int64) COMMENT 'How long the container ran, s, for die',
    signal Nullable(Int32) COMMENT 'Signal number, for kill',
    old_name String COMMENT 'Name before a rename, untrusted' CODEC(ZSTD(1)),
    exec_id String COMMENT 'Exec the event is about' CODEC(ZSTD(1)),
    program LowCardinality(String) COMMENT 'Program of an exec, never its arguments',
    command_hash String COMMENT 'Keyed hash of the whole command line of an exec' CODEC(ZSTD(1)),
    sync_id String COMMENT 'Sync that observed it' CODEC(ZSTD(1)),
    started_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Inspect: last start of the container, UTC' CODEC(ZSTD(1)),
    finished_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Inspect: last end of the container, UTC' CODEC(ZSTD(1)),
    oom_killed Nullable(Bool) COMMENT 'Inspect: the OOM flag of the last run',
    error String COMMENT 'Inspect: why the engine could not start the container, untrusted' CODEC(ZSTD(1)),
    restart_count Nullable(Int32) COMMENT 'Inspect: restarts by the restart policy since the last manual start',
    cpu_limit_nanocpus Nullable(Int64) COMMENT 'Inspect: CPU limit, billionths of a core' CODEC(ZSTD(1)),
    memory_limit_bytes Nullable(Int64) COMMENT 'Inspect: memory limit, bytes' CODEC(ZSTD(1)),
    by String COMMENT 'Command: who asked, untrusted' CODEC(ZSTD(1)),
    reason String COMMENT 'Command or notice: why, untrusted' CODEC(ZSTD(1)),
    arguments Map(LowCardinality(String), String) COMMENT 'Command: arguments, untrusted' CODEC(ZSTD(1)),
    since Nullable(DateTime64(9, 'UTC')) COMMENT 'Notice: begin of what is noticed, UTC' CODEC(ZSTD(1)),
    value Nullable(Int64) COMMENT 'Notice: quantity, unit in its name' CODEC(ZSTD(1)),
    record String COMMENT 'The fact as published, Avro: what a replay folds' CODEC(ZSTD(3)),
    log_epoch Int64 COMMENT 'Position of the fact: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the fact: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the fact: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    identity_at DateTime64(9, 'UTC') MATERIALIZED if(kind = 'command', fromUnixTimestamp64Nano(0, 'UTC'), at)
        COMMENT 'Time as far as it is part of the identity: a command sent again carries another time' CODEC(DoubleDelta, ZSTD(1)),
    earliness UInt128 MATERIALIZED ${earliness} COMMENT 'Falls as the position rises' CODEC(ZSTD(1))
) ENGINE = ${replicated}ReplacingMergeTree(earliness)
PARTITION BY toYYYYMM(identity_at) ORDER BY (workspace_id, identity_at, id)
SETTINGS ${durable}
COMMENT 'Facts: engine events, observations, commands, notices. Kept for ever';

CREATE TABLE IF NOT EXISTS ${database}.workspace_states_rows${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    forgotten UInt8 COMMENT '1: forgotten by a command, nothing else is filled' CODEC(T64, ZSTD(1)),
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    status LowCardinality(String) COMMENT 'active, inactive or archived',
    condition LowCardinality(String) COMMENT 'ok, degraded, failing or unknown',
    running Int32 COMMENT 'Containers in state running' CODEC(T64, ZSTD(1)),
    total Int32 COMMENT 'Containers' CODEC(T64, ZSTD(1)),
    status_since DateTime64(9, 'UTC') COMMENT 'When the status began, UTC' CODEC(Delta, ZSTD(1)),
    reason String COMMENT 'Why, in words, holds untrusted names' CODEC(ZSTD(1)),
    stale Bool COMMENT 'Its engine is silent: the state is what was last known',
    ephemeral Bool COMMENT 'Nothing groups its container',
    seq Int64 COMMENT 'Number of its last event of stream state' CODEC(Delta, ZSTD(1)),
    last_updated DateTime64(9, 'UTC') COMMENT 'Time of the last fact that changed it, UTC' CODEC(Delta, ZSTD(1)),
    last_sync Nullable(DateTime64(9, 'UTC')) COMMENT 'Last listing that showed it, UTC' CODEC(ZSTD(1)),
    sync_attempts Int32 COMMENT 'Failed syncs since the last good one' CODEC(T64, ZSTD(1)),
    last_error String COMMENT 'Last error, in words; empty: none' CODEC(ZSTD(1)),
    last_error_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When, UTC' CODEC(ZSTD(1)),
    error_count Int64 COMMENT 'Errors ever' CODEC(T64, ZSTD(1)),
    last_activity Nullable(DateTime64(9, 'UTC')) COMMENT 'Last sign of use, UTC' CODEC(ZSTD(1)),
    labels Map(LowCardinality(String), String) COMMENT 'Labels that may be stored, untrusted' CODEC(ZSTD(1)),
    container_id LowCardinality(String) COMMENT 'The container that matters most',
    container_state LowCardinality(String) COMMENT 'Its state',
    `containers.id` Array(LowCardinality(String)) COMMENT 'Containers: ids' CODEC(ZSTD(1)),
    `containers.name` Array(LowCardinality(String)) COMMENT 'Containers: names, untrusted' CODEC(ZSTD(1)),
    `containers.service` Array(LowCardinality(String)) COMMENT 'Containers: services, untrusted; empty: none' CODEC(ZSTD(1)),
    `containers.image` Array(LowCardinality(String)) COMMENT 'Containers: images, untrusted' CODEC(ZSTD(1)),
    `containers.engine` Array(LowCardinality(String)) COMMENT 'Containers: names of their engines' CODEC(ZSTD(1)),
    `containers.state` Array(LowCardinality(String)) COMMENT 'Containers: states' CODEC(ZSTD(1)),
    `containers.health` Array(LowCardinality(String)) COMMENT 'Containers: healths; empty: none' CODEC(ZSTD(1)),
    `containers.exit_code` Array(Nullable(Int32)) COMMENT 'Containers: exit codes' CODEC(ZSTD(1)),
    `containers.oom_killed` Array(Bool) COMMENT 'Containers: ended or suffered for want of memory' CODEC(ZSTD(1)),
    `containers.restart_count` Array(Int32) COMMENT 'Containers: restarts by the restart policy' CODEC(ZSTD(1)),
    record String COMMENT 'The state as published, Avro; empty when forgotten' CODEC(ZSTD(3)),
    log_epoch Int64 COMMENT 'Position of the last fact folded: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the last fact folded: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the last fact folded: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    position UInt128 MATERIALIZED ${position} COMMENT 'The position as one number' CODEC(ZSTD(1))
) ENGINE = ${replicated}ReplacingMergeTree
ORDER BY (workspace_id, position)
SETTINGS ${durable}
COMMENT 'States: one row per workspace and fact that changed it. Kept for ever';

CREATE TABLE IF NOT EXISTS ${database}.workspaces_rows${on_cluster} AS ${database}.workspace_states_rows
ENGINE = ${replicated}ReplacingMergeTree(position, forgotten)
ORDER BY workspace_id
SETTINGS ${durable}
COMMENT 'States: the latest of each workspace';

CREATE TABLE IF NOT EXISTS ${database}.workspace_changes_rows${on_cluster} (
    subject LowCardinality(String) COMMENT 'Workspace id; engine id for sync events: whose numbers seq are',
    stream LowCardinality(String) COMMENT 'state, usage or engine: who numbers the event',
    seq Int64 COMMENT 'Number within subject and stream, from 1' CODEC(Delta, ZSTD(1)),
    id String COMMENT 'Identity: stream, epoch, seq and subject' CODEC(ZSTD(1)),
    type LowCardinality(String) COMMENT 'What happened: status_changed, container_update, error …',
    workspace_id LowCardinality(String) COMMENT 'Workspace; empty for sync events',
    engine_id LowCardinality(String) COMMENT 'Engine concerned; empty where none',
    at DateTime64(9, 'UTC') COMMENT 'When it happened, clock of the cause, UTC' CODEC(Delta, ZSTD(1)),
    message String COMMENT 'One sentence for people, holds untrusted names' CODEC(ZSTD(1)),
    correction Bool COMMENT 'A sync found it, the event of the engine was missed',
    detection_lag_ms Nullable(Int64) COMMENT 'Correction: between the happening and its detection at most, ms',
    cause_topic LowCardinality(String) COMMENT 'Position of the fact that caused it: topic; empty: none',
    cause_epoch Int64 COMMENT 'Position of the fact that caused it: epoch of the log' CODEC(Delta, ZSTD(1)),
    cause_partition Int32 COMMENT 'Position of the fact that caused it: partition' CODEC(T64, ZSTD(1)),
    cause_offset Int64 COMMENT 'Position of the fact that caused it: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    container_id LowCardinality(String) COMMENT 'Container concerned; empty where none',
    container_name LowCardinality(String) COMMENT 'Its name, untrusted',
    old_status LowCardinality(String) COMMENT 'status_changed: before',
    new_status LowCardinality(String) COMMENT 'status_changed: after',
    reason String COMMENT 'status_changed: why, in words, holds untrusted names' CODEC(ZSTD(1)),
    changed_at Nullable(DateTime64(9, 'UTC')) COMMENT 'status_changed: when, UTC' CODEC(ZSTD(1)),
    old_state LowCardinality(String) COMMENT 'container_update: state before; empty: a new container',
    new_state LowCardinality(String) COMMENT 'container_update: state after',
    exit_code Nullable(Int32) COMMENT 'container_update: exit code, where it ended',
    health LowCardinality(String) COMMENT 'container_update: health after; empty: none',
    error String COMMENT 'error: what, in words, untrusted' CODEC(ZSTD(1)),
    code LowCardinality(String) COMMENT 'error: stable word for programs',
    retry_count Nullable(Int32) COMMENT 'error: retries made',
    context Map(LowCardinality(String), String) COMMENT 'error: more, by name, untrusted' CODEC(ZSTD(1)),
    resolved_error LowCardinality(String) COMMENT 'recovery: code of the error that is over',
    recovery_method String COMMENT 'recovery: how it ended' CODEC(ZSTD(1)),
    downtime_ms Nullable(Int64) COMMENT 'recovery: how long it lasted, ms',
    old_metrics Map(LowCardinality(String), Float64) COMMENT 'metrics_update: before, unit in the name' CODEC(ZSTD(1)),
    new_metrics Map(LowCardinality(String), Float64) COMMENT 'metrics_update: after, unit in the name' CODEC(ZSTD(1)),
    delta Map(LowCardinality(String), Float64) COMMENT 'metrics_update: after minus before, unit in the name' CODEC(ZSTD(1)),
    sync_id String COMMENT 'sync: id of the listing or request' CODEC(ZSTD(1)),
    engine LowCardinality(String) COMMENT 'sync: name of the engine',
    request_id String COMMENT 'sync: request it answers; empty: none' CODEC(ZSTD(1)),
    workspace_count Nullable(Int32) COMMENT 'sync: workspaces seen',
    container_count Nullable(Int32) COMMENT 'sync: containers seen',
    success_count Nullable(Int32) COMMENT 'sync: workspaces compared',
    error_count Nullable(Int32) COMMENT 'sync: workspaces that could not be compared',
    duration_ms Nullable(Int64) COMMENT 'sync: how long, ms',
    corrections Nullable(Int32) COMMENT 'sync: differences found and repaired',
    rule LowCardinality(String) COMMENT 'alert: rule',
    metric LowCardinality(String) COMMENT 'alert: metric',
    value Nullable(Float64) COMMENT 'alert: value, unit in the name of the metric',
    threshold Nullable(Float64) COMMENT 'alert: threshold, same unit',
    since Nullable(DateTime64(9, 'UTC')) COMMENT 'alert: begin of the episode, UTC' CODEC(ZSTD(1)),
    labels Map(LowCardinality(String), String) COMMENT 'alert: labels of the workspace, untrusted' CODEC(ZSTD(1)),
    dedup_key String COMMENT 'alert: the same for raise and resolve of one episode' CODEC(ZSTD(1)),
    record String COMMENT 'The event as published, Avro' CODEC(ZSTD(3)),
    log_epoch Int64 COMMENT 'Position of the event: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the event: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the event: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    earliness UInt128 MATERIALIZED ${earliness} COMMENT 'Falls as the position rises' CODEC(ZSTD(1)),
    -- Time is no part of the identity, so it cannot order the rows; within a subject it rises with seq all the same.
    INDEX at_range at TYPE minmax GRANULARITY 1
) ENGINE = ${replicated}ReplacingMergeTree(earliness)
ORDER BY (subject, stream, seq, id)
SETTINGS ${durable}
COMMENT 'Events. Kept for ever';

CREATE TABLE IF NOT EXISTS ${database}.samples_rows${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    container_id LowCardinality(String) COMMENT 'Container',
    read_at DateTime64(9, 'UTC') COMMENT 'Time of the reading, clock of the engine, UTC' CODEC(DoubleDelta, ZSTD(1)),
    engine_id LowCardinality(String) COMMENT 'Engine',
    engine LowCardinality(String) COMMENT 'Name of the engine',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    container_name LowCardinality(String) COMMENT 'Name of the container, untrusted',
    service LowCardinality(String) COMMENT 'Service of the group, untrusted; empty: none',
    outcome LowCardinality(String) COMMENT 'What became of the sample: folded, folded_late, baseline, reset, gap, out_of_order, late, future, absurd',
    tick_at DateTime64(9, 'UTC') COMMENT 'Scheduled instant of the tick, clock of the producer, UTC' CODEC(DoubleDelta, ZSTD(1)),
    interval_ns Int64 COMMENT 'Since the reading before, ns; 0: no differences' CODEC(T64, ZSTD(1)),
    cpu_ns Int64 COMMENT 'CPU time used in the interval, core-ns; -1: not known, here and below' CODEC(T64, ZSTD(1)),
    system_cpu_ns Int64 COMMENT 'CPU time of the host in the interval, core-ns' CODEC(T64, ZSTD(1)),
    online_cpus Int64 COMMENT 'CPUs of the host' CODEC(T64, ZSTD(1)),
    cpu_limit_nanocpus Int64 COMMENT 'CPU limit, billionths of a core; -1: none' CODEC(T64, ZSTD(1)),
    cpu_millipercent Int64 COMMENT 'CPU in the interval by the clock, thousandths of a percent of one CPU' CODEC(T64, ZSTD(1)),
    memory_used_bytes Int64 COMMENT 'Memory without inactive page cache, bytes' CODEC(Delta, ZSTD(1)),
    memory_usage_bytes Int64 COMMENT 'Memory charged, bytes' CODEC(Delta, ZSTD(1)),
    memory_limit_bytes Int64 COMMENT 'Memory limit, bytes' CODEC(Delta, ZSTD(1)),
    memory_byte_seconds Int64 COMMENT 'Used memory held over the interval, byte-seconds' CODEC(Delta, ZSTD(1)),
    network_rx_bytes Int64 COMMENT 'Received in the interval, bytes' CODEC(T64, ZSTD(1)),
    network_tx_bytes Int64 COMMENT 'Sent in the interval, bytes' CODEC(T64, ZSTD(1)),
    network_rx_counted_bytes Int64 COMMENT 'Received, as far as the workspace counts it: a shared namespace once, bytes' CODEC(T64, ZSTD(1)),
    network_tx_counted_bytes Int64 COMMENT 'Sent, likewise, bytes' CODEC(T64, ZSTD(1)),
    block_read_bytes Int64 COMMENT 'Read in the interval, bytes' CODEC(T64, ZSTD(1)),
    block_write_bytes Int64 COMMENT 'Written in the interval, bytes' CODEC(T64, ZSTD(1)),
    throttled_ns Int64 COMMENT 'Time throttled in the interval, ns' CODEC(T64, ZSTD(1)),
    page_faults Int64 COMMENT 'Page faults in the interval' CODEC(T64, ZSTD(1)),
    pids Int64 COMMENT 'Processes and threads' CODEC(T64, ZSTD(1)),
    network_rx_total_bytes Int64 COMMENT 'Received since the start, bytes' CODEC(Delta, ZSTD(1)),
    network_tx_total_bytes Int64 COMMENT 'Sent since the start, bytes' CODEC(Delta, ZSTD(1)),
    block_read_total_bytes Int64 COMMENT 'Read since the start, bytes' CODEC(Delta, ZSTD(1)),
    block_write_total_bytes Int64 COMMENT 'Written since the start, bytes' CODEC(Delta, ZSTD(1)),
    network_namespace Int64 COMMENT 'Hash of the network namespace; 0: that of the host' CODEC(ZSTD(1)),
    started_at_ns Int64 COMMENT 'Start of the run the counters belong to, ns since the Unix epoch' CODEC(Delta, ZSTD(1)),
    log_epoch Int64 COMMENT 'Position of the tick: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the tick: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the tick: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    earliness UInt128 MATERIALIZED ${earliness} COMMENT 'Falls as the position rises' CODEC(ZSTD(1))
) ENGINE = ${replicated}ReplacingMergeTree(earliness)
PARTITION BY toDate(read_at) ORDER BY (workspace_id, container_id, read_at, engine_id)
TTL toDateTime(read_at) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1, ${durable}
COMMENT 'Samples: one container between two readings. Kept 30 days';

CREATE TABLE IF NOT EXISTS ${database}.usage_hourly_rows${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    container_id LowCardinality(String) COMMENT 'Container; empty: all containers of the workspace on the engine',
    start DateTime64(3, 'UTC') COMMENT 'Begin of the window, inclusive, UTC' CODEC(DoubleDelta, ZSTD(1)),
    engine_id LowCardinality(String) COMMENT 'Engine',
    engine LowCardinality(String) COMMENT 'Name of the engine',
    final Bool COMMENT 'Closed: only a late sample still changes it',
    sample_count Int64 COMMENT 'Samples folded in' CODEC(T64, ZSTD(1)),
    late_count Int64 COMMENT 'Of them, samples that came after the window was closed' CODEC(T64, ZSTD(1)),
    tick_count Int64 COMMENT 'Ticks that had a sample in it' CODEC(T64, ZSTD(1)),
    container_count Int32 COMMENT 'Different containers that had a sample' CODEC(T64, ZSTD(1)),
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted' CODEC(ZSTD(1)),
    observed_ns Int64 COMMENT 'Time covered by the intervals of samples, summed over containers, container-ns' CODEC(T64, ZSTD(1)),
    covered_ns Int64 COMMENT 'Time covered by ticks, ns: divides sums into means' CODEC(T64, ZSTD(1)),
    cpu_core_ns Int64 COMMENT 'CPU time used, core-ns' CODEC(T64, ZSTD(1)),
    memory_byte_seconds Int64 COMMENT 'Integral of used memory, byte-seconds' CODEC(T64, ZSTD(1)),
    network_rx_bytes Int64 COMMENT 'Received, a shared network namespace counted once, bytes' CODEC(T64, ZSTD(1)),
    network_tx_bytes Int64 COMMENT 'Sent, likewise, bytes' CODEC(T64, ZSTD(1)),
    block_read_bytes Int64 COMMENT 'Read, bytes' CODEC(T64, ZSTD(1)),
    block_write_bytes Int64 COMMENT 'Written, bytes' CODEC(T64, ZSTD(1)),
    throttled_ns Int64 COMMENT 'Time throttled, ns' CODEC(T64, ZSTD(1)),
    page_faults Int64 COMMENT 'Page faults' CODEC(T64, ZSTD(1)),
    first_read_at DateTime64(9, 'UTC') COMMENT 'Time of the first sample, UTC' CODEC(Delta, ZSTD(1)),
    last_read_at DateTime64(9, 'UTC') COMMENT 'Time of the last sample, UTC' CODEC(Delta, ZSTD(1)),
    cpu_millipercent_min Int64 COMMENT 'Lowest CPU of a tick, thousandths of a percent of one CPU; -1: none known' CODEC(T64, ZSTD(1)),
    cpu_millipercent_max Int64 COMMENT 'Highest CPU of a tick, thousandths of a percent of one CPU; -1: none known' CODEC(T64, ZSTD(1)),
    cpu_millipercent_last Int64 COMMENT 'CPU of the last tick, thousandths of a percent of one CPU; -1: none known' CODEC(T64, ZSTD(1)),
    memory_used_bytes_min Int64 COMMENT 'Lowest used memory of a tick, bytes; -1: none known' CODEC(T64, ZSTD(1)),
    memory_used_bytes_max Int64 COMMENT 'Highest used memory of a tick, bytes; -1: none known' CODEC(T64, ZSTD(1)),
    memory_used_bytes_last Int64 COMMENT 'Used memory of the last tick, bytes; -1: none known' CODEC(T64, ZSTD(1)),
    sketches Map(LowCardinality(String), String) COMMENT 'Percentile sketch by metric, the bytes of a quantilesDD state' CODEC(ZSTD(1)),
    log_epoch Int64 COMMENT 'Position of the last tick folded: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the last tick folded: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the last tick folded: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    version UInt64 MATERIALIZED toUInt64(greatest(sample_count, 0)) * 2 + toUInt64(final)
        COMMENT 'Rises with every sample, and when the window is closed' CODEC(T64, ZSTD(1))
) ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYYYYMM(start) ORDER BY (workspace_id, container_id, start, engine_id)
TTL toDateTime(start) + INTERVAL 13 MONTH
SETTINGS ttl_only_drop_parts = 1, ${durable}
COMMENT 'Hourly windows of usage. Kept 13 months';

CREATE TABLE IF NOT EXISTS ${database}.usage_daily_rows${on_cluster} AS ${database}.usage_hourly_rows
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toYear(start) ORDER BY (workspace_id, container_id, start, engine_id)
SETTINGS ${durable}
COMMENT 'Daily windows of usage, UTC days. Kept for ever';

CREATE TABLE IF NOT EXISTS ${database}.dead_letters_rows${on_cluster} (
    topic LowCardinality(String) COMMENT 'Topic the refused record came from',
    origin_epoch Int64 COMMENT 'Its position: epoch of the log',
    origin_partition Int32 COMMENT 'Its position: partition; -1: from no topic',
    origin_offset Int64 COMMENT 'Its position: offset; -1: from no topic',
    stage LowCardinality(String) COMMENT 'Who refused it',
    id String COMMENT 'Identity where it came from no topic; else empty' CODEC(ZSTD(1)),
    code LowCardinality(String) COMMENT 'Why, a stable word for programs',
    reason String COMMENT 'Why, in words, may quote untrusted input' CODEC(ZSTD(1)),
    refused_at DateTime64(9, 'UTC') COMMENT 'When, clock of who refused it, UTC' CODEC(Delta, ZSTD(1)),
    key String COMMENT 'Original key' CODEC(ZSTD(1)),
    value String COMMENT 'Original value, at most 512 KiB of it' CODEC(ZSTD(3)),
    value_bytes Int64 COMMENT 'Size of the original value, bytes' CODEC(T64, ZSTD(1)),
    headers Map(String, String) COMMENT 'Original headers' CODEC(ZSTD(1)),
    log_epoch Int64 COMMENT 'Position of the dead letter: epoch of the log' CODEC(Delta, ZSTD(1)),
    log_partition Int32 COMMENT 'Position of the dead letter: partition' CODEC(T64, ZSTD(1)),
    log_offset Int64 COMMENT 'Position of the dead letter: offset, or number in the journal' CODEC(Delta, ZSTD(1)),
    earliness UInt128 MATERIALIZED ${earliness} COMMENT 'Falls as the position rises' CODEC(ZSTD(1))
) ENGINE = ${replicated}ReplacingMergeTree(earliness)
ORDER BY (topic, origin_epoch, origin_partition, origin_offset, stage, id)
TTL toDateTime(refused_at) + INTERVAL 30 DAY
SETTINGS ${durable}
COMMENT 'Refused records, whole. Kept 30 days, as in their topic';
