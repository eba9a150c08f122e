SELECT stage, partition, "offset" FROM begin ORDER BY stage, partition
