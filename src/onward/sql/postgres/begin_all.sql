SELECT stage, partition, topic, "offset" FROM onward.begin ORDER BY stage, partition
