-- Of each workspace the states in which something a policy asks about is new, by their place in the log.
SELECT workspace_id, workspace_name, forgotten, status, stale, status_since, last_activity, last_updated
FROM (
    SELECT
        *, toString(tuple(forgotten, status, stale, status_since, last_activity)) AS what,
        lagInFrame(what, 1, '') OVER (
            PARTITION BY workspace_id ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS before
    FROM (
        SELECT workspace_id, workspace_name, forgotten, status, stale, status_since, last_activity, last_updated, position
        FROM {db}.workspace_states_rows FINAL
    )
)
WHERE what != before
ORDER BY workspace_id, position
