-- Refused records, the latest first; bytes as hex, values only where one letter is asked for. A page begins behind a letter.
SELECT
    concat(toString(log_epoch), '.', toString(log_partition), '.', toString(log_offset)) AS id,
    refused_at, stage, code, reason, topic,
    origin_epoch AS epoch, origin_partition AS partition, origin_offset AS offset,
    hex(key) AS key_hex, value_bytes, length(value) AS kept_bytes,
    mapApply((name, content) -> (name, hex(content)), headers) AS headers_hex,
    if({id:String} = '', '', hex(value)) AS value_hex, toUnixTimestamp64Nano(refused_at) AS refused_ns
FROM {db}.dead_letters_rows FINAL
WHERE ({stage:String} = '' OR stage = {stage:String})
    AND ({code:String} = '' OR code = {code:String})
    AND ({topic:String} = '' OR topic = {topic:String} OR endsWith(topic, concat('.', {topic:String})))
    AND ({id:String} = '' OR id = {id:String})
    AND refused_at >= fromUnixTimestamp64Nano({since_ns:Int64}, 'UTC')
    AND ({after_ns:Int64} < 0 OR (log_epoch, refused_ns, log_offset, log_partition)
        < ({after_epoch:Int64}, {after_ns:Int64}, {after_offset:Int64}, {after_partition:Int32}))
ORDER BY log_epoch DESC, refused_at DESC, log_offset DESC, log_partition DESC
LIMIT {limit:UInt32}
