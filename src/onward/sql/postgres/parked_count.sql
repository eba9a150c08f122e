SELECT stage, partition, state, count(*) FROM onward.parked GROUP BY stage, partition, state
