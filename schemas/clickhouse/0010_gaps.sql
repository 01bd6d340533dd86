-- Stretches nobody watched (a producer that was down, a lost event stream) are intervals of unknown knowledge: the fold keeps the
-- state over them, as nothing else is known, and history says that nobody does.

ALTER TABLE ${database}.docker_events_rows${on_cluster} ADD INDEX IF NOT EXISTS by_action action TYPE set(64) GRANULARITY 4;

CREATE VIEW IF NOT EXISTS ${database}.state_gaps${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    engine LowCardinality(String) COMMENT 'Name of the engine nobody watched',
    engine_id LowCardinality(String) COMMENT 'Engine nobody watched',
    `from` DateTime64(9, 'UTC') COMMENT 'Begin: the last listing before, inclusive, UTC',
    `to` DateTime64(9, 'UTC') COMMENT 'End: since then events are heard without a gap, exclusive, UTC',
    reason String COMMENT 'In words'
) AS SELECT workspace_id, engine, engine_id, assumeNotNull(since) AS `from`, at AS `to`, reason
FROM ${database}.docker_events_rows FINAL
WHERE kind = 'notice' AND action = 'gap' AND since IS NOT NULL AND since < at
COMMENT 'Stretches in which nobody watched a workspace on an engine';

CREATE VIEW IF NOT EXISTS ${database}.state_intervals_told${on_cluster} (
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
COMMENT 'What each workspace was told to be, and when; gaps nobody watched are not cut out yet';

CREATE OR REPLACE VIEW ${database}.state_intervals${on_cluster} (
    workspace_id LowCardinality(String) COMMENT 'Workspace',
    status LowCardinality(String) COMMENT 'active, inactive or archived; unknown: its engine was silent, or nobody watched it',
    condition LowCardinality(String) COMMENT 'ok, degraded, failing or unknown',
    `from` DateTime64(9, 'UTC') COMMENT 'Begin, inclusive, UTC',
    `to` Nullable(DateTime64(9, 'UTC')) COMMENT 'End, exclusive, UTC; NULL: it lasts'
) AS
WITH fromUnixTimestamp64Nano(9223372036854775807, 'UTC') AS never
SELECT
    workspace_id,
    if(arrayExists(gap -> gap.1 <= piece.1 AND gap.2 >= piece.2, gaps), 'unknown', told_status) AS status,
    if(arrayExists(gap -> gap.1 <= piece.1 AND gap.2 >= piece.2, gaps), 'unknown', told_condition) AS condition,
    piece.1 AS `from`, nullIf(piece.2, never) AS `to`
FROM (
    SELECT told.workspace_id AS workspace_id, told.status AS told_status, told.condition AS told_condition, unwatched.gaps AS gaps,
        told.`from` AS begins, coalesce(told.`to`, never) AS ends,
        arrayFilter(gap -> gap.2 > begins AND gap.1 < ends, gaps) AS within,
        arraySort(arrayDistinct(arrayConcat([begins, ends],
            arrayMap(gap -> greatest(gap.1, begins), within), arrayMap(gap -> least(gap.2, ends), within)))) AS cuts
    FROM ${database}.state_intervals_told AS told
    LEFT JOIN (SELECT workspace_id, groupArray((`from`, `to`)) AS gaps FROM ${database}.state_gaps GROUP BY workspace_id) AS unwatched
        ON unwatched.workspace_id = told.workspace_id
)
ARRAY JOIN arrayZip(arrayPopBack(cuts), arrayPopFront(cuts)) AS piece
COMMENT 'What each workspace was, and when; the time nobody knows is an interval too'
