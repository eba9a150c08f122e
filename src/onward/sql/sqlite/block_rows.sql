SELECT topic, partition, "offset", count FROM block ORDER BY topic, partition, "offset"
