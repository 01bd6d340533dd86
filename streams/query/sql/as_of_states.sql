-- States at exactly these positions, one per workspace. Named as a constant and not asked for in a subquery, they are looked up a quarter faster.
SELECT workspace_id, forgotten, record
FROM {db}.state_moments
WHERE (workspace_id, position) IN arrayZip({ids:Array(String)}, {positions:Array(UInt128)})
