-- Workspaces whose rows were erased: `wst forget --erase`. What the log still holds of them may be delivered again at any
-- time; the sink deletes up to here whatever comes back (streams/sinks/erase.py).

CREATE TABLE IF NOT EXISTS ${database}.erased_rows${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    at DateTime64(3, 'UTC') COMMENT 'When that was asked for, clock of the writer, UTC',
    rest String COMMENT 'What the fold keeps: it numbers events and holds old facts off, and a replay begins with it',
    log_epoch Int64 COMMENT 'Position of the fact that forgot it: epoch of the log',
    log_partition Int32 COMMENT 'Position of the fact that forgot it: partition',
    log_offset Int64 COMMENT 'Position of the fact that forgot it: offset, or number in the journal',
    position UInt128 MATERIALIZED ${position} COMMENT 'The position as one number'
) ENGINE = ${replicated}ReplacingMergeTree(position)
ORDER BY workspace_id
SETTINGS ${durable}
COMMENT 'Workspaces whose rows were erased, and up to where'
