SELECT stage, partition, topic, "offset" FROM begin ORDER BY stage, partition
