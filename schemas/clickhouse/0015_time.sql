-- What questions about an instant are answered from: they look up, for a thousand workspaces at once, one state each.
--
-- Both tables are fed by their views from the rows the sink inserts, and may be fed again: repeats meet. They are read by
-- streams/query alone. In workspace_states_rows one state is read at the price of the thousands that lie around it.

CREATE TABLE IF NOT EXISTS ${database}.state_moments${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    position UInt128 COMMENT 'The position of the last fact folded, as one number' CODEC(ZSTD(1)),
    forgotten UInt8 COMMENT '1: forgotten by a command' CODEC(T64, ZSTD(1)),
    record String COMMENT 'The state as published, Avro; empty when forgotten' CODEC(ZSTD(3))
) ENGINE = ${replicated}ReplacingMergeTree(forgotten)
ORDER BY (workspace_id, position)
SETTINGS ${durable}, index_granularity = 32
COMMENT 'States by position, to be looked up one at a time. Kept for ever';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.state_moments_feed${on_cluster} TO ${database}.state_moments (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    position UInt128 COMMENT 'The position of the last fact folded, as one number',
    forgotten UInt8 COMMENT '1: forgotten by a command',
    record String COMMENT 'The state as published, Avro; empty when forgotten'
) AS SELECT workspace_id, ${position} AS position, forgotten, record
FROM ${database}.workspace_states_rows;

INSERT INTO ${database}.state_moments (workspace_id, position, forgotten, record)
SELECT workspace_id, position, forgotten, record FROM ${database}.workspace_states_rows;

CREATE TABLE IF NOT EXISTS ${database}.fact_days${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    day Int32 COMMENT 'Days since 1970-01-01 UTC, by the time of the facts' CODEC(Delta, ZSTD(1)),
    first_position SimpleAggregateFunction(min, UInt128) COMMENT 'Lowest position of a fact of that day' CODEC(ZSTD(1)),
    last_position SimpleAggregateFunction(max, UInt128) COMMENT 'Highest position of a fact of that day' CODEC(ZSTD(1))
) ENGINE = ${replicated}AggregatingMergeTree
ORDER BY (workspace_id, day)
SETTINGS ${durable}
COMMENT 'Where the facts of each workspace and day lie in the log. Kept for ever';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${database}.fact_days_feed${on_cluster} TO ${database}.fact_days (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    day Int32 COMMENT 'Days since 1970-01-01 UTC, by the time of the facts',
    first_position SimpleAggregateFunction(min, UInt128) COMMENT 'Lowest position of a fact of that day',
    last_position SimpleAggregateFunction(max, UInt128) COMMENT 'Highest position of a fact of that day'
) AS SELECT
    workspace_id, toInt32(intDiv(toUnixTimestamp64Nano(at), 86400000000000)) AS day,
    min(${position}) AS first_position, max(${position}) AS last_position
FROM ${database}.docker_events_rows GROUP BY workspace_id, day;

INSERT INTO ${database}.fact_days (workspace_id, day, first_position, last_position)
SELECT workspace_id, toInt32(intDiv(toUnixTimestamp64Nano(at), 86400000000000)) AS day, min(${position}), max(${position})
FROM ${database}.docker_events_rows GROUP BY workspace_id, day
