-- Windows from derived samples alone, exactly as the stream folds them. {length}: seconds of a window, {samples}: a table of samples.
-- A tick's value is the sum over its samples in the hour; lowest, highest and last are over ticks; -1 is "not known".
WITH ticks AS (
    SELECT
        engine_id,
        intDiv(read_ns, 3600000000000) * 3600000 AS hour_ms,
        count() AS samples,
        countIf(outcome = 'folded_late') AS late,
        groupUniqArray(container_id) AS containers,
        sum(interval_ns) AS observed,
        if(any(part) = 0, max(interval_ns), 0) AS covered,
        sumIf(cpu_ns, cpu_ns > 0) AS cpu_core,
        sumIf(memory_byte_seconds, memory_byte_seconds > 0) AS memory_held,
        sumIf(network_rx_counted_bytes, network_rx_counted_bytes > 0) AS rx,
        sumIf(network_tx_counted_bytes, network_tx_counted_bytes > 0) AS tx,
        sumIf(block_read_bytes, block_read_bytes > 0) AS read,
        sumIf(block_write_bytes, block_write_bytes > 0) AS written,
        sumIf(throttled_ns, throttled_ns > 0) AS throttled,
        sumIf(page_faults, page_faults > 0) AS faults,
        min(read_ns) AS first_ns,
        max(read_ns) AS last_ns,
        if(countIf(cpu_millipercent >= 0) = 0, -1, sumIf(cpu_millipercent, cpu_millipercent >= 0)) AS cpu,
        if(countIf(memory_used_bytes >= 0) = 0, -1, sumIf(memory_used_bytes, memory_used_bytes >= 0)) AS used,
        if(countIf(network_rx_counted_bytes >= 0) = 0, -1, least(intDiv(toInt256(rx) * 1000000000, max(interval_ns)), 9223372036854775807))
            AS rx_rate,
        if(countIf(network_tx_counted_bytes >= 0) = 0, -1, least(intDiv(toInt256(tx) * 1000000000, max(interval_ns)), 9223372036854775807))
            AS tx_rate
    FROM {samples}
    WHERE outcome IN ('folded', 'folded_late')
    GROUP BY engine_id, hour_ms, epoch, offset
)
SELECT
    engine_id,
    intDiv(hour_ms, {length} * 1000) * {length} * 1000 AS start_ms,
    sum(samples) AS sample_count,
    count() AS tick_count,
    sum(observed) AS observed_ns,
    sum(covered) AS covered_ns,
    sum(cpu_core) AS cpu_core_ns,
    sum(memory_held) AS memory_byte_seconds,
    sum(rx) AS network_rx_bytes,
    sum(tx) AS network_tx_bytes,
    sum(read) AS block_read_bytes,
    sum(written) AS block_write_bytes,
    sum(throttled) AS throttled_ns,
    sum(faults) AS page_faults,
    min(first_ns) AS first_read_ns,
    max(last_ns) AS last_read_ns,
    if(countIf(cpu >= 0) = 0, -1, minIf(cpu, cpu >= 0)) AS cpu_millipercent_min,
    max(cpu) AS cpu_millipercent_max,
    if(countIf(cpu >= 0) = 0, -1, maxIf((last_ns, cpu), cpu >= 0).2) AS cpu_millipercent_last,
    if(countIf(used >= 0) = 0, -1, minIf(used, used >= 0)) AS memory_used_bytes_min,
    max(used) AS memory_used_bytes_max,
    if(countIf(used >= 0) = 0, -1, maxIf((last_ns, used), used >= 0).2) AS memory_used_bytes_last,
    length(groupUniqArrayArray(containers)) AS container_count,
    sum(late) AS late_count,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(cpu), cpu >= 0) AS String)) AS cpu_millipercent,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(used), used >= 0) AS String)) AS memory_used_bytes,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(rx_rate), rx_rate >= 0) AS String)) AS network_rx_bytes_per_second,
    hex(CAST(quantilesDDStateIf(0.01, 0.5)(toFloat64(tx_rate), tx_rate >= 0) AS String)) AS network_tx_bytes_per_second
FROM ticks
GROUP BY engine_id, start_ms
ORDER BY engine_id, start_ms
