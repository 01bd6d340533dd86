-- Usage per workspace and per container, by hour and by day: one text for both grains, columns in the same order.
-- Percentiles come from sketches: the state of quantilesDD(0.01, …), which merges to the state of all values.

ALTER TABLE ${database}.usage_hourly_rows${on_cluster} ADD COLUMN IF NOT EXISTS container_name LowCardinality(String) COMMENT 'Name of the container, untrusted; empty: of the workspace',
    ADD COLUMN IF NOT EXISTS service LowCardinality(String) COMMENT 'Service of the container, untrusted; empty: none';

ALTER TABLE ${database}.usage_daily_rows${on_cluster} ADD COLUMN IF NOT EXISTS container_name LowCardinality(String) COMMENT 'Name of the container, untrusted; empty: of the workspace',
    ADD COLUMN IF NOT EXISTS service LowCardinality(String) COMMENT 'Service of the container, untrusted; empty: none';

-- for: view=usage_hourly grain=hour rows=usage_hourly_rows seconds=3600
-- for: view=usage_daily grain=day rows=usage_daily_rows seconds=86400
CREATE OR REPLACE VIEW ${database}.${view}${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    engine LowCardinality(String) COMMENT 'Name of the engine: a workspace on two engines has a row for each, sums add up',
    engine_id LowCardinality(String) COMMENT 'Engine',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted',
    ${grain} DateTime64(3, 'UTC') COMMENT 'Begin of the ${grain}, inclusive, UTC',
    final Bool COMMENT 'Closed: only a late sample still changes it',
    sample_count Int64 COMMENT 'Samples folded in',
    late_count Int64 COMMENT 'Of them, samples that came after the window was closed',
    tick_count Int64 COMMENT 'Ticks that had a sample in it',
    container_count Int32 COMMENT 'Different containers that had a sample, 200 at most',
    observed_seconds Float64 COMMENT 'Time covered by the intervals of samples, summed over containers: container-seconds running, s',
    covered_seconds Float64 COMMENT 'Time covered by ticks, s: what is missing to the whole ${grain} nobody saw',
    coverage_ratio Float64 COMMENT 'Part of the whole ${grain} that was covered, 0 to 1',
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
    cpu_percent_p50 Nullable(Float64) COMMENT 'Half of the ticks were not above it, percent of one CPU, within 1 %',
    cpu_percent_p95 Nullable(Float64) COMMENT '95 % of the ticks were not above it, percent of one CPU, within 1 %',
    cpu_percent_p99 Nullable(Float64) COMMENT '99 % of the ticks were not above it, percent of one CPU, within 1 %',
    memory_used_bytes_min Nullable(Int64) COMMENT 'Lowest used memory of a tick, bytes',
    memory_used_bytes_mean Nullable(Float64) COMMENT 'Used memory over the time covered, bytes',
    memory_used_bytes_max Nullable(Int64) COMMENT 'Highest used memory of a tick, bytes',
    memory_used_bytes_last Nullable(Int64) COMMENT 'Used memory of the last tick, bytes',
    memory_used_bytes_p50 Nullable(Float64) COMMENT 'Half of the ticks were not above it, bytes, within 1 %',
    memory_used_bytes_p95 Nullable(Float64) COMMENT '95 % of the ticks were not above it, bytes, within 1 %',
    memory_used_bytes_p99 Nullable(Float64) COMMENT '99 % of the ticks were not above it, bytes, within 1 %',
    network_rx_bytes_per_second_p50 Nullable(Float64) COMMENT 'Received: half of the ticks were not above it, bytes per second, within 1 %',
    network_rx_bytes_per_second_p95 Nullable(Float64) COMMENT 'Received: 95 % of the ticks were not above it, bytes per second, within 1 %',
    network_rx_bytes_per_second_p99 Nullable(Float64) COMMENT 'Received: 99 % of the ticks were not above it, bytes per second, within 1 %',
    network_tx_bytes_per_second_p50 Nullable(Float64) COMMENT 'Sent: half of the ticks were not above it, bytes per second, within 1 %',
    network_tx_bytes_per_second_p95 Nullable(Float64) COMMENT 'Sent: 95 % of the ticks were not above it, bytes per second, within 1 %',
    network_tx_bytes_per_second_p99 Nullable(Float64) COMMENT 'Sent: 99 % of the ticks were not above it, bytes per second, within 1 %',
    sketches Map(LowCardinality(String), String) COMMENT 'Percentile sketch by metric, the bytes of a quantilesDD state: cpu_millipercent, memory_used_bytes, network_rx_bytes_per_second, network_tx_bytes_per_second',
    first_read_at DateTime64(9, 'UTC') COMMENT 'Time of the first sample, UTC',
    last_read_at DateTime64(9, 'UTC') COMMENT 'Time of the last sample, UTC',
    log_epoch Int64 COMMENT 'Position of the last tick folded: epoch of the log',
    log_partition Int32 COMMENT 'Position of the last tick folded: partition',
    log_offset Int64 COMMENT 'Position of the last tick folded: offset, or number in the journal'
) AS WITH
    finalizeAggregation(${state_cpu}) AS cpu,
    finalizeAggregation(${state_memory}) AS memory,
    finalizeAggregation(${state_rx}) AS rx,
    finalizeAggregation(${state_tx}) AS tx
SELECT
    workspace_id, workspace_name, engine, engine_id, labels, start AS ${grain}, final, sample_count, late_count, tick_count, container_count,
    observed_ns / 1e9 AS observed_seconds, covered_ns / 1e9 AS covered_seconds, covered_ns / 1e9 / ${seconds} AS coverage_ratio,
    cpu_core_ns / 1e9 AS cpu_core_seconds, memory_byte_seconds,
    network_rx_bytes, network_tx_bytes, block_read_bytes, block_write_bytes, throttled_ns / 1e9 AS throttled_seconds, page_faults,
    nullIf(cpu_millipercent_min, -1) / 1e3 AS cpu_percent_min,
    if(covered_ns > 0, cpu_core_ns / covered_ns * 100, NULL) AS cpu_percent_mean,
    nullIf(cpu_millipercent_max, -1) / 1e3 AS cpu_percent_max,
    nullIf(cpu_millipercent_last, -1) / 1e3 AS cpu_percent_last,
    if(isNaN(cpu[1]), NULL, cpu[1] / 1e3) AS cpu_percent_p50,
    if(isNaN(cpu[2]), NULL, cpu[2] / 1e3) AS cpu_percent_p95,
    if(isNaN(cpu[3]), NULL, cpu[3] / 1e3) AS cpu_percent_p99,
    nullIf(memory_used_bytes_min, -1) AS memory_used_bytes_min,
    if(covered_ns > 0, memory_byte_seconds / covered_ns * 1e9, NULL) AS memory_used_bytes_mean,
    nullIf(memory_used_bytes_max, -1) AS memory_used_bytes_max,
    nullIf(memory_used_bytes_last, -1) AS memory_used_bytes_last,
    if(isNaN(memory[1]), NULL, memory[1]) AS memory_used_bytes_p50,
    if(isNaN(memory[2]), NULL, memory[2]) AS memory_used_bytes_p95,
    if(isNaN(memory[3]), NULL, memory[3]) AS memory_used_bytes_p99,
    if(isNaN(rx[1]), NULL, rx[1]) AS network_rx_bytes_per_second_p50,
    if(isNaN(rx[2]), NULL, rx[2]) AS network_rx_bytes_per_second_p95,
    if(isNaN(rx[3]), NULL, rx[3]) AS network_rx_bytes_per_second_p99,
    if(isNaN(tx[1]), NULL, tx[1]) AS network_tx_bytes_per_second_p50,
    if(isNaN(tx[2]), NULL, tx[2]) AS network_tx_bytes_per_second_p95,
    if(isNaN(tx[3]), NULL, tx[3]) AS network_tx_bytes_per_second_p99,
    sketches, first_read_at, last_read_at, log_epoch, log_partition, log_offset
FROM ${database}.${rows} FINAL
WHERE container_id = ''
COMMENT 'Usage per workspace, engine and UTC ${grain}';

-- for: view=container_usage_hourly grain=hour rows=usage_hourly_rows seconds=3600
-- for: view=container_usage_daily grain=day rows=usage_daily_rows seconds=86400
CREATE OR REPLACE VIEW ${database}.${view}${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    workspace_name LowCardinality(String) COMMENT 'Name people know the workspace by',
    container_id LowCardinality(String) COMMENT 'Container; *: all containers beyond the first 200 of the window together',
    container_name LowCardinality(String) COMMENT 'Its last name, untrusted',
    service LowCardinality(String) COMMENT 'Its service, untrusted; empty: none',
    engine LowCardinality(String) COMMENT 'Name of its engine',
    engine_id LowCardinality(String) COMMENT 'Engine',
    labels Map(LowCardinality(String), String) COMMENT 'Labels of the workspace, untrusted',
    ${grain} DateTime64(3, 'UTC') COMMENT 'Begin of the ${grain}, inclusive, UTC',
    final Bool COMMENT 'Closed: only a late sample still changes it',
    sample_count Int64 COMMENT 'Samples folded in',
    late_count Int64 COMMENT 'Of them, samples that came after the window was closed',
    observed_seconds Float64 COMMENT 'Time covered by the intervals of samples: seconds seen running, s',
    coverage_ratio Float64 COMMENT 'Part of the whole ${grain} that was covered, 0 to 1',
    cpu_core_seconds Float64 COMMENT 'CPU time used, core-seconds',
    memory_byte_seconds Int64 COMMENT 'Integral of used memory, byte-seconds',
    network_rx_bytes Int64 COMMENT 'Received as the container reports it, bytes: containers that share a network namespace report the same',
    network_tx_bytes Int64 COMMENT 'Sent, likewise, bytes',
    block_read_bytes Int64 COMMENT 'Read, bytes',
    block_write_bytes Int64 COMMENT 'Written, bytes',
    throttled_seconds Float64 COMMENT 'Time throttled, s',
    page_faults Int64 COMMENT 'Page faults',
    cpu_percent_min Nullable(Float64) COMMENT 'Lowest CPU of a sample, percent of one CPU',
    cpu_percent_mean Nullable(Float64) COMMENT 'CPU over the time covered, percent of one CPU',
    cpu_percent_max Nullable(Float64) COMMENT 'Highest CPU of a sample, percent of one CPU',
    cpu_percent_last Nullable(Float64) COMMENT 'CPU of the last sample, percent of one CPU',
    cpu_percent_p50 Nullable(Float64) COMMENT 'Half of the samples were not above it, percent of one CPU, within 1 %',
    cpu_percent_p95 Nullable(Float64) COMMENT '95 % of the samples were not above it, percent of one CPU, within 1 %',
    cpu_percent_p99 Nullable(Float64) COMMENT '99 % of the samples were not above it, percent of one CPU, within 1 %',
    memory_used_bytes_min Nullable(Int64) COMMENT 'Lowest used memory of a sample, bytes',
    memory_used_bytes_mean Nullable(Float64) COMMENT 'Used memory over the time covered, bytes',
    memory_used_bytes_max Nullable(Int64) COMMENT 'Highest used memory of a sample, bytes',
    memory_used_bytes_last Nullable(Int64) COMMENT 'Used memory of the last sample, bytes',
    memory_used_bytes_p50 Nullable(Float64) COMMENT 'Half of the samples were not above it, bytes, within 1 %',
    memory_used_bytes_p95 Nullable(Float64) COMMENT '95 % of the samples were not above it, bytes, within 1 %',
    memory_used_bytes_p99 Nullable(Float64) COMMENT '99 % of the samples were not above it, bytes, within 1 %',
    sketches Map(LowCardinality(String), String) COMMENT 'Percentile sketch by metric, the bytes of a quantilesDD state: cpu_millipercent, memory_used_bytes',
    first_read_at DateTime64(9, 'UTC') COMMENT 'Time of the first sample, UTC',
    last_read_at DateTime64(9, 'UTC') COMMENT 'Time of the last sample, UTC',
    log_epoch Int64 COMMENT 'Position of the last tick folded: epoch of the log',
    log_partition Int32 COMMENT 'Position of the last tick folded: partition',
    log_offset Int64 COMMENT 'Position of the last tick folded: offset, or number in the journal'
) AS WITH
    finalizeAggregation(${state_cpu}) AS cpu,
    finalizeAggregation(${state_memory}) AS memory
SELECT
    workspace_id, workspace_name, container_id, container_name, service, engine, engine_id, labels, start AS ${grain}, final, sample_count,
    late_count, observed_ns / 1e9 AS observed_seconds, observed_ns / 1e9 / ${seconds} AS coverage_ratio,
    cpu_core_ns / 1e9 AS cpu_core_seconds, memory_byte_seconds,
    network_rx_bytes, network_tx_bytes, block_read_bytes, block_write_bytes, throttled_ns / 1e9 AS throttled_seconds, page_faults,
    nullIf(cpu_millipercent_min, -1) / 1e3 AS cpu_percent_min,
    if(observed_ns > 0, cpu_core_ns / observed_ns * 100, NULL) AS cpu_percent_mean,
    nullIf(cpu_millipercent_max, -1) / 1e3 AS cpu_percent_max,
    nullIf(cpu_millipercent_last, -1) / 1e3 AS cpu_percent_last,
    if(isNaN(cpu[1]), NULL, cpu[1] / 1e3) AS cpu_percent_p50,
    if(isNaN(cpu[2]), NULL, cpu[2] / 1e3) AS cpu_percent_p95,
    if(isNaN(cpu[3]), NULL, cpu[3] / 1e3) AS cpu_percent_p99,
    nullIf(memory_used_bytes_min, -1) AS memory_used_bytes_min,
    if(observed_ns > 0, memory_byte_seconds / observed_ns * 1e9, NULL) AS memory_used_bytes_mean,
    nullIf(memory_used_bytes_max, -1) AS memory_used_bytes_max,
    nullIf(memory_used_bytes_last, -1) AS memory_used_bytes_last,
    if(isNaN(memory[1]), NULL, memory[1]) AS memory_used_bytes_p50,
    if(isNaN(memory[2]), NULL, memory[2]) AS memory_used_bytes_p95,
    if(isNaN(memory[3]), NULL, memory[3]) AS memory_used_bytes_p99,
    sketches, first_read_at, last_read_at, log_epoch, log_partition, log_offset
FROM ${database}.${rows} FINAL
WHERE container_id != ''
COMMENT 'Usage per container and UTC ${grain}';

CREATE OR REPLACE VIEW ${database}.usage_daily_in${on_cluster} AS
WITH
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(${state_cpu}) AS cpu,
    quantilesDDMerge(0.01, 0.5, 0.95, 0.99)(${state_memory}) AS memory
SELECT
    workspace_id, any(workspace_name) AS workspace_name, engine, engine_id, argMax(labels, hour) AS labels,
    toDate(hour, {tz:String}) AS day, min(final) AS final, sum(sample_count) AS sample_count, sum(late_count) AS late_count,
    sum(tick_count) AS tick_count, max(container_count) AS container_count, sum(observed_seconds) AS observed_seconds,
    sum(covered_seconds) AS covered_seconds, sum(cpu_core_seconds) AS cpu_core_seconds, sum(memory_byte_seconds) AS memory_byte_seconds,
    sum(network_rx_bytes) AS network_rx_bytes, sum(network_tx_bytes) AS network_tx_bytes, sum(block_read_bytes) AS block_read_bytes,
    sum(block_write_bytes) AS block_write_bytes, sum(throttled_seconds) AS throttled_seconds, sum(page_faults) AS page_faults,
    min(cpu_percent_min) AS cpu_percent_min,
    if(covered_seconds > 0, cpu_core_seconds / covered_seconds * 100, NULL) AS cpu_percent_mean,
    max(cpu_percent_max) AS cpu_percent_max, argMax(cpu_percent_last, hour) AS cpu_percent_last,
    if(isNaN(cpu[1]), NULL, cpu[1] / 1e3) AS cpu_percent_p50,
    if(isNaN(cpu[2]), NULL, cpu[2] / 1e3) AS cpu_percent_p95,
    if(isNaN(cpu[3]), NULL, cpu[3] / 1e3) AS cpu_percent_p99,
    min(memory_used_bytes_min) AS memory_used_bytes_min,
    if(covered_seconds > 0, memory_byte_seconds / covered_seconds, NULL) AS memory_used_bytes_mean,
    max(memory_used_bytes_max) AS memory_used_bytes_max, argMax(memory_used_bytes_last, hour) AS memory_used_bytes_last,
    if(isNaN(memory[1]), NULL, memory[1]) AS memory_used_bytes_p50,
    if(isNaN(memory[2]), NULL, memory[2]) AS memory_used_bytes_p95,
    if(isNaN(memory[3]), NULL, memory[3]) AS memory_used_bytes_p99
FROM ${database}.usage_hourly
GROUP BY workspace_id, engine, engine_id, day
COMMENT 'Usage per workspace, engine and day of a time zone: usage_daily_in(tz = ''Europe/Berlin''). An hour belongs to the day it begins in';
