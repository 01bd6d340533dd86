-- Windows of containers from derived samples alone, exactly as the stream folds them. {length}, {samples}: as in windows.sql.
SELECT
    engine_id,
    intDiv(intDiv(read_ns, 1000000000), {length}) * {length} * 1000 AS start_ms,
    container_id,
    count() AS sample_count,
    count() AS tick_count,
    sum(interval_ns) AS observed_ns,
    sum(interval_ns) AS covered_ns,
    sumIf(cpu_ns, cpu_ns > 0) AS cpu_core_ns,
    sumIf(s.memory_byte_seconds, s.memory_byte_seconds > 0) AS memory_byte_seconds,
    sumIf(s.network_rx_bytes, s.network_rx_bytes > 0) AS network_rx_bytes,
    sumIf(s.network_tx_bytes, s.network_tx_bytes > 0) AS network_tx_bytes,
    sumIf(s.block_read_bytes, s.block_read_bytes > 0) AS block_read_bytes,
    sumIf(s.block_write_bytes, s.block_write_bytes > 0) AS block_write_bytes,
    sumIf(s.throttled_ns, s.throttled_ns > 0) AS throttled_ns,
    sumIf(s.page_faults, s.page_faults > 0) AS page_faults,
    min(read_ns) AS first_read_ns,
    max(read_ns) AS last_read_ns,
    if(countIf(s.cpu_millipercent >= 0) = 0, -1, minIf(s.cpu_millipercent, s.cpu_millipercent >= 0)) AS cpu_millipercent_min,
    max(s.cpu_millipercent) AS cpu_millipercent_max,
    if(countIf(s.cpu_millipercent >= 0) = 0, -1, maxIf((read_ns, s.cpu_millipercent), s.cpu_millipercent >= 0).2) AS cpu_millipercent_last,
    if(countIf(s.memory_used_bytes >= 0) = 0, -1, minIf(s.memory_used_bytes, s.memory_used_bytes >= 0)) AS memory_used_bytes_min,
    max(s.memory_used_bytes) AS memory_used_bytes_max,
    if(countIf(s.memory_used_bytes >= 0) = 0, -1, maxIf((read_ns, s.memory_used_bytes), s.memory_used_bytes >= 0).2)
        AS memory_used_bytes_last,
    1 AS container_count,
    countIf(outcome = 'folded_late') AS late_count,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(s.cpu_millipercent), s.cpu_millipercent >= 0) AS String)) AS cpu_millipercent,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(s.memory_used_bytes), s.memory_used_bytes >= 0) AS String)) AS memory_used_bytes
FROM {samples} AS s
WHERE outcome IN ('folded', 'folded_late')
GROUP BY engine_id, start_ms, container_id
ORDER BY engine_id, start_ms, container_id
