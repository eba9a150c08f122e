SELECT topic, partition, "offset", count FROM onward.retained
