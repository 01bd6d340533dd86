-- Whether the archive answers, and has its tables.
SELECT count() >= 0 AS well FROM (SELECT 1 FROM {db}.workspace_changes_rows LIMIT 1)
