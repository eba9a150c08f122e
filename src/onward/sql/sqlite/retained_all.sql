SELECT topic, partition, "offset", count FROM retained
