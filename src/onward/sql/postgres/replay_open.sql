SELECT number, partition, first, last, gone FROM onward.replay_range WHERE closed IS NULL ORDER BY number, partition
