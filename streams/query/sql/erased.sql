-- What the fold kept of some workspaces when they were erased.
SELECT workspace_id, rest FROM {db}.erased_rows FINAL WHERE workspace_id IN {ids:Array(String)}
