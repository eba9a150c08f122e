SELECT number, partition, first, last, gone FROM replay_range WHERE closed IS NULL ORDER BY number, partition
