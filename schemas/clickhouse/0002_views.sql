-- Views: the interface to SQL. Exact at every moment, as each says FINAL; units in the names; NULL where not known.

CREATE VIEW IF NOT EXISTS ${database}.docker_events${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace the fact belongs to',
    at DateTime64(9, 'UTC') COMMENT 'When it happened, clock of the engine or of the writer, UTC',
    id String COMMENT 'Identity: a hash of what the fact says',
    kind LowCardinality(String) COMMENT 'engine_event, observation, command or notice',
    action LowCardinality(String) COMMENT 'Engine action, source of the observation, name of the command or notice',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine LowCardinality(String) COMMENT 'Name of the engine; empty where none is involved',
    engine_id LowCardinality(String) COMMENT 'Engine',
    generation Int32 COMMENT 'Clock generation of the engine: facts are ordered by generation and time',
    recorded_at DateTime64(9, 'UTC') COMMENT 'When the writer recorded it, clock of the writer, UTC',
    container_id LowCardinality(String) COMMENT 'Container; empty for the workspace as a whole',
    container_name LowCardinality(String) COMMENT 'Name of the container, untrusted',
    service LowCardinality(String) COMMENT 'Service of the group, untrusted',
    image LowCardinality(String) COMMENT 'Image as the engine names it, untrusted',
    grouped_by LowCardinality(String) COMMENT 'Rule that found the workspace',
    labels Map(LowCardinality(String), String) COMMENT 'Labels that may be stored, untrusted',
    state LowCardinality(String) COMMENT 'State observed; empty where not judged',
    health LowCardinality(String) COMMENT 'Health said or observed; empty: none',
    present Nullable(Bool) COMMENT 'Observation: the engine has the container',
    exit_code Nullable(Int32) COMMENT 'Exit code of the container or exec',
    exec_duration_seconds Nullable(Int64) COMMENT 'How long the container ran, s, for die',
    signal Nullable(Int32) COMMENT 'Signal number, for kill',
    old_name String COMMENT 'Name before a rename, untrusted',
    exec_id String COMMENT 'Exec the event is about',
    program LowCardinality(String) COMMENT 'Program of an exec, never its arguments',
    command_hash String COMMENT 'Keyed hash of the whole command line of an exec',
    sync_id String COMMENT 'Sync that observed it',
    started_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Inspect: last start of the container, UTC',
    finished_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Inspect: last end of the container, UTC',
    oom_killed Nullable(Bool) COMMENT 'Inspect: the OOM flag of the last run',
    error String COMMENT 'Inspect: why the engine could not start the container, untrusted',
    restart_count Nullable(Int32) COMMENT 'Inspect: restarts by the restart policy since the last manual start',
    cpu_limit_cores Nullable(Float64) COMMENT 'Inspect: CPU limit, cores',
    memory_limit_bytes Nullable(Int64) COMMENT 'Inspect: memory limit, bytes',
    by String COMMENT 'Command: who asked, untrusted',
    reason String COMMENT 'Command or notice: why, untrusted',
    arguments Map(LowCardinality(String), String) COMMENT 'Command: arguments, untrusted',
    since Nullable(DateTime64(9, 'UTC')) COMMENT 'Notice: begin of what is noticed, UTC',
    value Nullable(Int64) COMMENT 'Notice: quantity, unit in its name',
    log_epoch Int64 COMMENT 'Position of the fact: epoch of the log',
    log_partition Int32 COMMENT 'Position of the fact: partition',
    log_offset Int64 COMMENT 'Position of the fact: offset, or number in the journal'
) AS SELECT
    workspace_id, at, id, kind, action, workspace_name, engine, engine_id, generation, recorded_at, container_id, container_name,
    service, image, grouped_by, labels, state, health, present, exit_code, exec_duration_s AS exec_duration_seconds, signal, old_name,
    exec_id, program, command_hash, sync_id, started_at, finished_at, oom_killed, error, restart_count,
    cpu_limit_nanocpus / 1e9 AS cpu_limit_cores, memory_limit_bytes, by, reason, arguments, since, value,
    log_epoch, log_partition, log_offset
FROM ${database}.docker_events_rows FINAL
COMMENT 'Facts: engine events, observations, commands, notices';

CREATE VIEW IF NOT EXISTS ${database}.workspaces${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    name LowCardinality(String) COMMENT 'Name people know the workspace by',
    status LowCardinality(String) COMMENT 'active, inactive or archived',
    condition LowCardinality(String) COMMENT 'ok, degraded, failing or unknown',
    running Int32 COMMENT 'Containers in state running',
    total Int32 COMMENT 'Containers',
    status_since DateTime64(9, 'UTC') COMMENT 'When the status began, UTC',
    reason String COMMENT 'Why, in words, holds untrusted names',
    stale Bool COMMENT 'Its engine is silent: the state is what was last known',
    ephemeral Bool COMMENT 'Nothing groups its container',
    seq Int64 COMMENT 'Number of its last event of stream state',
    last_updated DateTime64(9, 'UTC') COMMENT 'Time of the last fact that changed it, UTC',
    last_sync Nullable(DateTime64(9, 'UTC')) COMMENT 'Last listing that showed it, UTC',
    sync_attempts Int32 COMMENT 'Failed syncs since the last good one',
    last_error Nullable(String) COMMENT 'Last error, in words',
    last_error_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When, UTC',
    error_count Int64 COMMENT 'Errors ever',
    last_activity Nullable(DateTime64(9, 'UTC')) COMMENT 'Last sign of use, UTC',
    labels Map(LowCardinality(String), String) COMMENT 'Labels that may be stored, untrusted',
    container_id LowCardinality(String) COMMENT 'The container that matters most',
    container_state LowCardinality(String) COMMENT 'Its state',
    `containers.id` Array(LowCardinality(String)) COMMENT 'Containers: ids',
    `containers.name` Array(LowCardinality(String)) COMMENT 'Containers: names, untrusted',
    `containers.service` Array(LowCardinality(String)) COMMENT 'Containers: services, untrusted; empty: none',
    `containers.image` Array(LowCardinality(String)) COMMENT 'Containers: images, untrusted',
    `containers.engine` Array(LowCardinality(String)) COMMENT 'Containers: names of their engines',
    `containers.state` Array(LowCardinality(String)) COMMENT 'Containers: states',
    `containers.health` Array(LowCardinality(String)) COMMENT 'Containers: healths; empty: none',
    `containers.exit_code` Array(Nullable(Int32)) COMMENT 'Containers: exit codes',
    `containers.oom_killed` Array(Bool) COMMENT 'Containers: ended or suffered for want of memory',
    `containers.restart_count` Array(Int32) COMMENT 'Containers: restarts by the restart policy',
    log_epoch Int64 COMMENT 'Position of the last fact folded: epoch of the log',
    log_partition Int32 COMMENT 'Position of the last fact folded: partition',
    log_offset Int64 COMMENT 'Position of the last fact folded: offset, or number in the journal'
) AS SELECT
    workspace_id, workspace_name AS name, status, condition, running, total, status_since, reason, stale, ephemeral, seq, last_updated,
    last_sync, sync_attempts, nullIf(last_error, '') AS last_error, last_error_at, error_count, last_activity, labels,
    container_id, container_state, `containers.id`, `containers.name`, `containers.service`, `containers.image`, `containers.engine`,
    `containers.state`, `containers.health`, `containers.exit_code`, `containers.oom_killed`, `containers.restart_count`,
    log_epoch, log_partition, log_offset
FROM ${database}.workspaces_rows FINAL
COMMENT 'Latest state of each workspace';

CREATE VIEW IF NOT EXISTS ${database}.workspace_changes${on_cluster} (
    id String COMMENT 'Identity: stream, epoch, seq and key',
    stream LowCardinality(String) COMMENT 'state, usage or engine: who numbers the event',
    seq Int64 COMMENT 'Number within workspace (engine for sync events) and stream, from 1',
    type LowCardinality(String) COMMENT 'What happened: status_changed, container_update, error …',
    workspace_id Nullable(String) COMMENT 'Workspace; NULL for sync events',
    engine_id LowCardinality(String) COMMENT 'Engine concerned; empty where none',
    at DateTime64(9, 'UTC') COMMENT 'When it happened, clock of the cause, UTC',
    message String COMMENT 'One sentence for people, holds untrusted names',
    correction Bool COMMENT 'A sync found it, the event of the engine was missed',
    detection_lag_seconds Nullable(Float64) COMMENT 'Correction: between the happening and its detection at most, s',
    container_id Nullable(String) COMMENT 'Container concerned',
    container_name LowCardinality(String) COMMENT 'Its name, untrusted',
    old_status LowCardinality(String) COMMENT 'status_changed: before',
    new_status LowCardinality(String) COMMENT 'status_changed: after',
    reason String COMMENT 'status_changed: why, in words, holds untrusted names',
    changed_at Nullable(DateTime64(9, 'UTC')) COMMENT 'status_changed: when, UTC',
    old_state LowCardinality(String) COMMENT 'container_update: state before; empty: a new container',
    new_state LowCardinality(String) COMMENT 'container_update: state after',
    exit_code Nullable(Int32) COMMENT 'container_update: exit code, where it ended',
    health Nullable(String) COMMENT 'container_update: health after; NULL: none',
    error String COMMENT 'error: what, in words, untrusted',
    code LowCardinality(String) COMMENT 'error: stable word for programs',
    retry_count Nullable(Int32) COMMENT 'error: retries made',
    context Map(LowCardinality(String), String) COMMENT 'error: more, by name, untrusted',
    resolved_error LowCardinality(String) COMMENT 'recovery: code of the error that is over',
    recovery_method String COMMENT 'recovery: how it ended',
    downtime_seconds Nullable(Float64) COMMENT 'recovery: how long it lasted, s',
    old_metrics Map(LowCardinality(String), Float64) COMMENT 'metrics_update: before, unit in the name',
    new_metrics Map(LowCardinality(String), Float64) COMMENT 'metrics_update: after, unit in the name',
    delta Map(LowCardinality(String), Float64) COMMENT 'metrics_update: after minus before, unit in the name',
    engine LowCardinality(String) COMMENT 'sync: name of the engine',
    sync_id String COMMENT 'sync: id of the listing or request',
    request_id String COMMENT 'sync: request it answers; empty: none',
    workspace_count Nullable(Int32) COMMENT 'sync: workspaces seen',
    container_count Nullable(Int32) COMMENT 'sync: containers seen',
    success_count Nullable(Int32) COMMENT 'sync: workspaces compared',
    error_count Nullable(Int32) COMMENT 'sync: workspaces that could not be compared',
    duration_seconds Nullable(Float64) COMMENT 'sync: how long, s',
    corrections Nullable(Int32) COMMENT 'sync: differences found and repaired',
    rule LowCardinality(String) COMMENT 'alert: rule',
    metric LowCardinality(String) COMMENT 'alert: metric',
    value Nullable(Float64) COMMENT 'alert: value, unit in the name of the metric',
    threshold Nullable(Float64) COMMENT 'alert: threshold, same unit',
    since Nullable(DateTime64(9, 'UTC')) COMMENT 'alert: begin of the episode, UTC',
    labels Map(LowCardinality(String), String) COMMENT 'alert: labels of the workspace, untrusted',
    dedup_key String COMMENT 'alert: the same for raise and resolve of one episode',
    cause_topic Nullable(String) COMMENT 'Position of the fact that caused it: topic; NULL: none',
    cause_epoch Int64 COMMENT 'Position of the fact that caused it: epoch of the log',
    cause_partition Int32 COMMENT 'Position of the fact that caused it: partition',
    cause_offset Int64 COMMENT 'Position of the fact that caused it: offset, or number in the journal',
    log_epoch Int64 COMMENT 'Position of the event: epoch of the log',
    log_partition Int32 COMMENT 'Position of the event: partition',
    log_offset Int64 COMMENT 'Position of the event: offset, or number in the journal'
) AS SELECT
    id, stream, seq, type, nullIf(workspace_id, '') AS workspace_id, engine_id, at, message, correction,
    detection_lag_ms / 1000 AS detection_lag_seconds, nullIf(container_id, '') AS container_id, container_name, old_status, new_status,
    reason, changed_at, old_state, new_state, exit_code, nullIf(health, '') AS health, error, code, retry_count, context, resolved_error,
    recovery_method, downtime_ms / 1000 AS downtime_seconds, old_metrics, new_metrics, delta, engine, sync_id, request_id,
    workspace_count, container_count, success_count, error_count, duration_ms / 1000 AS duration_seconds, corrections,
    rule, metric, value, threshold, since, labels, dedup_key, nullIf(cause_topic, '') AS cause_topic, cause_epoch, cause_partition,
    cause_offset, log_epoch, log_partition, log_offset
FROM ${database}.workspace_changes_rows FINAL
COMMENT 'Events';

-- A point is a fact that showed or changed the status or the condition: a status_changed event, which exists for every
-- change of status, or a state, which carries both but may have been published for several facts at once. Points of one
-- fact meet; what a point does not say goes on from the one before; equal neighbours are one interval. The order is that
-- of the facts. A time that runs backward (two engines, two clocks) is held, so that intervals never overlap.
CREATE VIEW IF NOT EXISTS ${database}.state_intervals${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    status LowCardinality(String) COMMENT 'active, inactive or archived; unknown: its engine was silent',
    condition LowCardinality(String) COMMENT 'ok, degraded, failing or unknown',
    `from` DateTime64(9, 'UTC') COMMENT 'Begin, inclusive, UTC',
    `to` Nullable(DateTime64(9, 'UTC')) COMMENT 'End, exclusive, UTC; NULL: it lasts'
) AS
WITH
    points AS (
        SELECT workspace_id, cause_epoch AS epoch, cause_offset AS offset, coalesce(changed_at, at) AS at,
            CAST(new_status AS Nullable(String)) AS status, CAST(NULL AS Nullable(String)) AS condition
        FROM ${database}.workspace_changes_rows FINAL
        WHERE type = 'status_changed' AND stream = 'state'
        UNION ALL
        SELECT workspace_id, log_epoch, log_offset, last_updated,
            multiIf(forgotten = 1, 'forgotten', stale, 'unknown', status), multiIf(forgotten = 1, '', stale, 'unknown', condition)
        FROM ${database}.workspace_states_rows FINAL
    ),
    facts AS (
        SELECT workspace_id, epoch, offset, max(points.at) AS happened_at,
            argMax(points.status, points.condition IS NOT NULL) AS said_status, any(points.condition) AS said_condition
        FROM points GROUP BY workspace_id, epoch, offset
    ),
    timeline AS (
        SELECT workspace_id, epoch, offset, max(happened_at) OVER past AS at,
            last_value(said_status) OVER past AS status,
            coalesce(last_value(said_condition) OVER past, first_value(said_condition) OVER ahead, 'unknown') AS condition
        FROM facts
        WINDOW past AS (PARTITION BY workspace_id ORDER BY epoch, offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
            ahead AS (PARTITION BY workspace_id ORDER BY epoch, offset ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)
    ),
    marked AS (
        SELECT *, lagInFrame(concat(status, '/', condition), 1, '') OVER before != concat(status, '/', condition) AS begins
        FROM timeline
        WINDOW before AS (PARTITION BY workspace_id ORDER BY epoch, offset ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
SELECT workspace_id, status, condition, at AS `from`, ends AS `to`
FROM (
    SELECT workspace_id, assumeNotNull(status) AS status, condition, at,
        leadInFrame(CAST(at AS Nullable(DateTime64(9, 'UTC'))), 1, NULL) OVER after AS ends
    FROM marked WHERE begins
    WINDOW after AS (PARTITION BY workspace_id ORDER BY epoch, offset ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
)
WHERE status != 'forgotten' AND (ends IS NULL OR at < ends)
COMMENT 'What each workspace was, and when; the time nobody knows is an interval too';

CREATE VIEW IF NOT EXISTS ${database}.samples${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine LowCardinality(String) COMMENT 'Name of the engine',
    engine_id LowCardinality(String) COMMENT 'Engine',
    container_id LowCardinality(String) COMMENT 'Container',
    container_name LowCardinality(String) COMMENT 'Name of the container, untrusted',
    service LowCardinality(String) COMMENT 'Service of the group, untrusted; empty: none',
    read_at DateTime64(9, 'UTC') COMMENT 'Time of the reading, clock of the engine, UTC',
    tick_at DateTime64(9, 'UTC') COMMENT 'Scheduled instant of the tick, clock of the producer, UTC',
    outcome LowCardinality(String) COMMENT 'What became of the sample: only folded and folded_late are in windows',
    interval_seconds Float64 COMMENT 'Since the reading before, s; 0: no rates',
    cpu_percent Nullable(Float64) COMMENT 'CPU as docker shows it, percent of one CPU',
    cpu_cores Nullable(Float64) COMMENT 'CPU by the clock, cores',
    cpu_percent_of_limit Nullable(Float64) COMMENT 'CPU, percent of the limit; NULL without one',
    cpu_percent_of_host Nullable(Float64) COMMENT 'CPU, percent of all CPUs of the host',
    cpu_limit_cores Nullable(Float64) COMMENT 'CPU limit, cores',
    online_cpus Nullable(Int64) COMMENT 'CPUs of the host',
    memory_used_bytes Nullable(Int64) COMMENT 'Memory without inactive page cache, as docker shows it, bytes',
    memory_usage_bytes Nullable(Int64) COMMENT 'Memory charged, bytes',
    memory_limit_bytes Nullable(Int64) COMMENT 'Memory limit, bytes',
    memory_percent Nullable(Float64) COMMENT 'Used memory, percent of the limit',
    network_rx_bytes_per_second Nullable(Float64) COMMENT 'Received, bytes per second',
    network_tx_bytes_per_second Nullable(Float64) COMMENT 'Sent, bytes per second',
    block_read_bytes_per_second Nullable(Float64) COMMENT 'Read, bytes per second',
    block_write_bytes_per_second Nullable(Float64) COMMENT 'Written, bytes per second',
    network_rx_total_bytes Nullable(Int64) COMMENT 'Received since the start, bytes',
    network_tx_total_bytes Nullable(Int64) COMMENT 'Sent since the start, bytes',
    block_read_total_bytes Nullable(Int64) COMMENT 'Read since the start, bytes',
    block_write_total_bytes Nullable(Int64) COMMENT 'Written since the start, bytes',
    throttled_percent Nullable(Float64) COMMENT 'Time throttled, percent of the interval',
    page_faults_per_second Nullable(Float64) COMMENT 'Page faults per second',
    pids Nullable(Int64) COMMENT 'Processes and threads',
    network_namespace Nullable(Int64) COMMENT 'Containers that share one report the same network counters; 0: that of the host',
    started_at Nullable(DateTime64(9, 'UTC')) COMMENT 'Start of the run the counters belong to, UTC',
    interval_ns Int64 COMMENT 'The exact figures that windows are sums of: since the reading before, ns',
    cpu_ns Int64 COMMENT 'Exact: CPU time used in the interval, core-ns; -1: not known, here and below',
    cpu_millipercent Int64 COMMENT 'Exact: CPU in the interval by the clock, thousandths of a percent of one CPU',
    memory_byte_seconds Int64 COMMENT 'Exact: used memory held over the interval, byte-seconds',
    network_rx_bytes Int64 COMMENT 'Exact: received in the interval, bytes',
    network_tx_bytes Int64 COMMENT 'Exact: sent in the interval, bytes',
    network_rx_counted_bytes Int64 COMMENT 'Exact: received, as far as the workspace counts it: a shared namespace once, bytes',
    network_tx_counted_bytes Int64 COMMENT 'Exact: sent, likewise, bytes',
    block_read_bytes Int64 COMMENT 'Exact: read in the interval, bytes',
    block_write_bytes Int64 COMMENT 'Exact: written in the interval, bytes',
    throttled_ns Int64 COMMENT 'Exact: time throttled in the interval, ns',
    page_faults Int64 COMMENT 'Exact: page faults in the interval',
    log_epoch Int64 COMMENT 'Position of the tick: epoch of the log',
    log_partition Int32 COMMENT 'Position of the tick: partition',
    log_offset Int64 COMMENT 'Position of the tick: offset, or number in the journal'
) AS SELECT
    workspace_id, workspace_name, engine, engine_id, container_id, container_name, service, read_at, tick_at, outcome,
    r.interval_ns / 1e9 AS interval_seconds,
    if(r.interval_ns > 0 AND r.cpu_ns >= 0 AND r.system_cpu_ns > 0 AND r.online_cpus > 0,
        r.cpu_ns / r.system_cpu_ns * r.online_cpus * 100, NULL) AS cpu_percent,
    if(r.interval_ns > 0 AND r.cpu_ns >= 0, r.cpu_ns / r.interval_ns, NULL) AS cpu_cores,
    if(r.cpu_limit_nanocpus > 0, cpu_cores / r.cpu_limit_nanocpus * 1e11, NULL) AS cpu_percent_of_limit,
    if(r.online_cpus > 0, cpu_cores / r.online_cpus * 100, NULL) AS cpu_percent_of_host,
    if(r.cpu_limit_nanocpus > 0, r.cpu_limit_nanocpus / 1e9, NULL) AS cpu_limit_cores,
    nullIf(r.online_cpus, -1) AS online_cpus,
    nullIf(r.memory_used_bytes, -1) AS memory_used_bytes,
    nullIf(r.memory_usage_bytes, -1) AS memory_usage_bytes,
    nullIf(r.memory_limit_bytes, -1) AS memory_limit_bytes,
    if(r.memory_used_bytes >= 0 AND r.memory_limit_bytes > 0, r.memory_used_bytes / r.memory_limit_bytes * 100, NULL) AS memory_percent,
    if(r.interval_ns > 0 AND r.network_rx_bytes >= 0, r.network_rx_bytes / r.interval_ns * 1e9, NULL) AS network_rx_bytes_per_second,
    if(r.interval_ns > 0 AND r.network_tx_bytes >= 0, r.network_tx_bytes / r.interval_ns * 1e9, NULL) AS network_tx_bytes_per_second,
    if(r.interval_ns > 0 AND r.block_read_bytes >= 0, r.block_read_bytes / r.interval_ns * 1e9, NULL) AS block_read_bytes_per_second,
    if(r.interval_ns > 0 AND r.block_write_bytes >= 0, r.block_write_bytes / r.interval_ns * 1e9, NULL) AS block_write_bytes_per_second,
    nullIf(r.network_rx_total_bytes, -1) AS network_rx_total_bytes,
    nullIf(r.network_tx_total_bytes, -1) AS network_tx_total_bytes,
    nullIf(r.block_read_total_bytes, -1) AS block_read_total_bytes,
    nullIf(r.block_write_total_bytes, -1) AS block_write_total_bytes,
    if(r.interval_ns > 0 AND r.throttled_ns >= 0, r.throttled_ns / r.interval_ns * 100, NULL) AS throttled_percent,
    if(r.interval_ns > 0 AND r.page_faults >= 0, r.page_faults / r.interval_ns * 1e9, NULL) AS page_faults_per_second,
    nullIf(r.pids, -1) AS pids,
    nullIf(r.network_namespace, -1) AS network_namespace,
    if(r.started_at_ns > 0, fromUnixTimestamp64Nano(r.started_at_ns, 'UTC'), NULL) AS started_at,
    r.interval_ns AS interval_ns, r.cpu_ns AS cpu_ns, r.cpu_millipercent AS cpu_millipercent,
    r.memory_byte_seconds AS memory_byte_seconds, r.network_rx_bytes AS network_rx_bytes, r.network_tx_bytes AS network_tx_bytes,
    r.network_rx_counted_bytes AS network_rx_counted_bytes, r.network_tx_counted_bytes AS network_tx_counted_bytes,
    r.block_read_bytes AS block_read_bytes, r.block_write_bytes AS block_write_bytes, r.throttled_ns AS throttled_ns,
    r.page_faults AS page_faults, log_epoch, log_partition, log_offset
FROM ${database}.samples_rows AS r FINAL
COMMENT 'Samples: one container between two readings';

CREATE VIEW IF NOT EXISTS ${database}.usage_hourly${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine LowCardinality(String) COMMENT 'Name of the engine: a workspace on two engines has a row for each, sums add up',
    engine_id LowCardinality(String) COMMENT 'Engine',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted',
    hour DateTime64(3, 'UTC') COMMENT 'Begin of the hour, inclusive, UTC',
    final Bool COMMENT 'Closed: only a late sample still changes it',
    sample_count Int64 COMMENT 'Samples folded in',
    late_count Int64 COMMENT 'Of them, samples that came after the window was closed',
    tick_count Int64 COMMENT 'Ticks that had a sample in it',
    container_count Int32 COMMENT 'Different containers that had a sample',
    observed_seconds Float64 COMMENT 'Time covered by the intervals of samples, summed over containers, s',
    covered_seconds Float64 COMMENT 'Time covered by ticks, s: what is missing to the whole hour nobody saw',
    cpu_core_seconds Float64 COMMENT 'CPU time used, core-seconds',
    memory_byte_seconds Int64 COMMENT 'Integral of used memory, byte-seconds',
    network_rx_bytes Int64 COMMENT 'Received, a shared network namespace counted once, bytes',
    network_tx_bytes Int64 COMMENT 'Sent, likewise, bytes',
    block_read_bytes Int64 COMMENT 'Read, bytes',
    block_write_bytes Int64 COMMENT 'Written, bytes',
    throttled_seconds Float64 COMMENT 'Time throttled, s',
    page_faults Int64 COMMENT 'Page faults',
    cpu_percent_min Nullable(Float64) COMMENT 'Lowest CPU of a tick, percent of one CPU',
    cpu_percent_mean Nullable(Float64) COMMENT 'CPU over the time covered, percent of one CPU',
    cpu_percent_max Nullable(Float64) COMMENT 'Highest CPU of a tick, percent of one CPU',
    cpu_percent_last Nullable(Float64) COMMENT 'CPU of the last tick, percent of one CPU',
    memory_used_bytes_min Nullable(Int64) COMMENT 'Lowest used memory of a tick, bytes',
    memory_used_bytes_mean Nullable(Float64) COMMENT 'Used memory over the time covered, bytes',
    memory_used_bytes_max Nullable(Int64) COMMENT 'Highest used memory of a tick, bytes',
    memory_used_bytes_last Nullable(Int64) COMMENT 'Used memory of the last tick, bytes',
    sketches Map(LowCardinality(String), String) COMMENT 'Percentile sketch by metric, the bytes of a quantilesDD state',
    first_read_at DateTime64(9, 'UTC') COMMENT 'Time of the first sample, UTC',
    last_read_at DateTime64(9, 'UTC') COMMENT 'Time of the last sample, UTC',
    log_epoch Int64 COMMENT 'Position of the last tick folded: epoch of the log',
    log_partition Int32 COMMENT 'Position of the last tick folded: partition',
    log_offset Int64 COMMENT 'Position of the last tick folded: offset, or number in the journal'
) AS SELECT
    workspace_id, workspace_name, engine, engine_id, labels, start AS hour, final, sample_count, late_count, tick_count, container_count,
    observed_ns / 1e9 AS observed_seconds, covered_ns / 1e9 AS covered_seconds, cpu_core_ns / 1e9 AS cpu_core_seconds, memory_byte_seconds,
    network_rx_bytes, network_tx_bytes, block_read_bytes, block_write_bytes, throttled_ns / 1e9 AS throttled_seconds, page_faults,
    nullIf(cpu_millipercent_min, -1) / 1e3 AS cpu_percent_min,
    if(covered_ns > 0, cpu_core_ns / covered_ns * 100, NULL) AS cpu_percent_mean,
    nullIf(cpu_millipercent_max, -1) / 1e3 AS cpu_percent_max,
    nullIf(cpu_millipercent_last, -1) / 1e3 AS cpu_percent_last,
    nullIf(memory_used_bytes_min, -1) AS memory_used_bytes_min,
    if(covered_ns > 0, memory_byte_seconds / covered_ns * 1e9, NULL) AS memory_used_bytes_mean,
    nullIf(memory_used_bytes_max, -1) AS memory_used_bytes_max,
    nullIf(memory_used_bytes_last, -1) AS memory_used_bytes_last,
    sketches, first_read_at, last_read_at, log_epoch, log_partition, log_offset
FROM ${database}.usage_hourly_rows FINAL
WHERE container_id = ''
COMMENT 'Usage per workspace, engine and UTC hour';

CREATE VIEW IF NOT EXISTS ${database}.usage_daily${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine LowCardinality(String) COMMENT 'Name of the engine: a workspace on two engines has a row for each, sums add up',
    engine_id LowCardinality(String) COMMENT 'Engine',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted',
    day DateTime64(3, 'UTC') COMMENT 'Begin of the day, inclusive, UTC',
    final Bool COMMENT 'Closed: only a late sample still changes it',
    sample_count Int64 COMMENT 'Samples folded in',
    late_count Int64 COMMENT 'Of them, samples that came after the window was closed',
    tick_count Int64 COMMENT 'Ticks that had a sample in it',
    container_count Int32 COMMENT 'Different containers that had a sample',
    observed_seconds Float64 COMMENT 'Time covered by the intervals of samples, summed over containers, s',
    covered_seconds Float64 COMMENT 'Time covered by ticks, s: what is missing to the whole day nobody saw',
    cpu_core_seconds Float64 COMMENT 'CPU time used, core-seconds',
    memory_byte_seconds Int64 COMMENT 'Integral of used memory, byte-seconds',
    network_rx_bytes Int64 COMMENT 'Received, a shared network namespace counted once, bytes',
    network_tx_bytes Int64 COMMENT 'Sent, likewise, bytes',
    block_read_bytes Int64 COMMENT 'Read, bytes',
    block_write_bytes Int64 COMMENT 'Written, bytes',
    throttled_seconds Float64 COMMENT 'Time throttled, s',
    page_faults Int64 COMMENT 'Page faults',
    cpu_percent_min Nullable(Float64) COMMENT 'Lowest CPU of a tick, percent of one CPU',
    cpu_percent_mean Nullable(Float64) COMMENT 'CPU over the time covered, percent of one CPU',
    cpu_percent_max Nullable(Float64) COMMENT 'Highest CPU of a tick, percent of one CPU',
    cpu_percent_last Nullable(Float64) COMMENT 'CPU of the last tick, percent of one CPU',
    memory_used_bytes_min Nullable(Int64) COMMENT 'Lowest used memory of a tick, bytes',
    memory_used_bytes_mean Nullable(Float64) COMMENT 'Used memory over the time covered, bytes',
    memory_used_bytes_max Nullable(Int64) COMMENT 'Highest used memory of a tick, bytes',
    memory_used_bytes_last Nullable(Int64) COMMENT 'Used memory of the last tick, bytes',
    sketches Map(LowCardinality(String), String) COMMENT 'Percentile sketch by metric, the bytes of a quantilesDD state',
    first_read_at DateTime64(9, 'UTC') COMMENT 'Time of the first sample, UTC',
    last_read_at DateTime64(9, 'UTC') COMMENT 'Time of the last sample, UTC',
    log_epoch Int64 COMMENT 'Position of the last tick folded: epoch of the log',
    log_partition Int32 COMMENT 'Position of the last tick folded: partition',
    log_offset Int64 COMMENT 'Position of the last tick folded: offset, or number in the journal'
) AS SELECT
    workspace_id, workspace_name, engine, engine_id, labels, start AS day, final, sample_count, late_count, tick_count, container_count,
    observed_ns / 1e9 AS observed_seconds, covered_ns / 1e9 AS covered_seconds, cpu_core_ns / 1e9 AS cpu_core_seconds, memory_byte_seconds,
    network_rx_bytes, network_tx_bytes, block_read_bytes, block_write_bytes, throttled_ns / 1e9 AS throttled_seconds, page_faults,
    nullIf(cpu_millipercent_min, -1) / 1e3 AS cpu_percent_min,
    if(covered_ns > 0, cpu_core_ns / covered_ns * 100, NULL) AS cpu_percent_mean,
    nullIf(cpu_millipercent_max, -1) / 1e3 AS cpu_percent_max,
    nullIf(cpu_millipercent_last, -1) / 1e3 AS cpu_percent_last,
    nullIf(memory_used_bytes_min, -1) AS memory_used_bytes_min,
    if(covered_ns > 0, memory_byte_seconds / covered_ns * 1e9, NULL) AS memory_used_bytes_mean,
    nullIf(memory_used_bytes_max, -1) AS memory_used_bytes_max,
    nullIf(memory_used_bytes_last, -1) AS memory_used_bytes_last,
    sketches, first_read_at, last_read_at, log_epoch, log_partition, log_offset
FROM ${database}.usage_daily_rows FINAL
WHERE container_id = ''
COMMENT 'Usage per workspace, engine and UTC day';

CREATE VIEW IF NOT EXISTS ${database}.alerts${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    rule LowCardinality(String) COMMENT 'Rule',
    metric LowCardinality(String) COMMENT 'Metric',
    container_id Nullable(String) COMMENT 'Culprit',
    value Nullable(Float64) COMMENT 'Value when raised, unit in the name of the metric',
    threshold Nullable(Float64) COMMENT 'Threshold, same unit',
    since Nullable(DateTime64(9, 'UTC')) COMMENT 'Begin of the episode, UTC',
    raised_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it was raised, UTC',
    resolved_at Nullable(DateTime64(9, 'UTC')) COMMENT 'When it was resolved, UTC; NULL: it lasts',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted',
    dedup_key String COMMENT 'The same for raise and resolve of one episode'
) AS SELECT
    workspace_id, rule, any(metric) AS metric, nullIf(anyIf(container_id, type = 'alert_raised'), '') AS container_id,
    anyIf(value, type = 'alert_raised') AS value, any(threshold) AS threshold, since,
    minOrNullIf(at, type = 'alert_raised') AS raised_at, minOrNullIf(at, type = 'alert_resolved') AS resolved_at,
    anyIf(labels, type = 'alert_raised') AS labels, dedup_key
FROM ${database}.workspace_changes_rows FINAL
WHERE type IN ('alert_raised', 'alert_resolved')
GROUP BY workspace_id, rule, dedup_key, since
COMMENT 'Alerts: one row per episode';

CREATE VIEW IF NOT EXISTS ${database}.dead_letters${on_cluster} (
    refused_at DateTime64(9, 'UTC') COMMENT 'When, clock of who refused it, UTC',
    stage LowCardinality(String) COMMENT 'Who refused it',
    code LowCardinality(String) COMMENT 'Why, a stable word for programs',
    reason String COMMENT 'Why, in words, may quote untrusted input',
    topic LowCardinality(String) COMMENT 'Topic the refused record came from',
    origin_epoch Int64 COMMENT 'Its position: epoch of the log',
    origin_partition Int32 COMMENT 'Its position: partition; -1: from no topic',
    origin_offset Int64 COMMENT 'Its position: offset; -1: from no topic',
    key String COMMENT 'Original key',
    value String COMMENT 'Original value, at most 512 KiB of it',
    value_bytes Int64 COMMENT 'Size of the original value, bytes',
    headers Map(String, String) COMMENT 'Original headers',
    log_epoch Int64 COMMENT 'Position of the dead letter: epoch of the log',
    log_partition Int32 COMMENT 'Position of the dead letter: partition',
    log_offset Int64 COMMENT 'Position of the dead letter: offset, or number in the journal'
) AS SELECT
    refused_at, stage, code, reason, topic, origin_epoch, origin_partition, origin_offset, key, value, value_bytes, headers,
    log_epoch, log_partition, log_offset
FROM ${database}.dead_letters_rows FINAL
COMMENT 'Refused records, whole, with the reason';
