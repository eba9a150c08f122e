SELECT topic, partition, "offset", count, size > 2 FROM onward.block ORDER BY topic, partition, "offset"
