SELECT topic, partition, "offset", size FROM {kept} ORDER BY topic, partition, "offset"
