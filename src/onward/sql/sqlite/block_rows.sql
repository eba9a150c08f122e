SELECT topic, partition, "offset", count, size > 2 FROM block ORDER BY topic, partition, "offset"
