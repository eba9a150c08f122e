SELECT rowid, topic, partition, "offset", keys FROM block
WHERE rowid < coalesce(:before, 9223372036854775807) AND keys IS NOT NULL
ORDER BY rowid DESC LIMIT :limit
