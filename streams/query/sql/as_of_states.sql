-- States at exactly these positions, one per workspace.
SELECT workspace_id, forgotten, record
FROM {db}.state_moments
WHERE (workspace_id, position) IN (
    SELECT tupleElement(pair, 1), tupleElement(pair, 2)
    FROM (SELECT arrayJoin(arrayZip({ids:Array(String)}, {positions:Array(UInt128)})) AS pair)
)
