-- The peak of a workspace in a range, and the container that had the largest part of it at that instant.
SELECT
    toUnixTimestamp64Nano(tick_at) AS at_ns, sum(part) AS total, argMax(container_id, part) AS culprit_id,
    argMax(container_name, part) AS culprit_name, max(part) AS culprit_part
FROM (
    SELECT tick_at, engine_id, container_id, container_name, {part} AS part
    FROM {db}.samples_exact
    WHERE workspace_id = {workspace_id:String}
        AND read_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC') AND read_at < fromUnixTimestamp64Nano({until_ns:Int64}, 'UTC')
        AND outcome IN ('folded', 'folded_late') AND interval_ns > 0 AND part >= 0
)
GROUP BY tick_at, engine_id
ORDER BY total DESC, tick_at
LIMIT 1
