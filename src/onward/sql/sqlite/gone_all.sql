SELECT topic, partition, "offset" FROM gone
