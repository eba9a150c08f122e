SELECT stage, partition, state, count(*) FROM parked GROUP BY stage, partition, state
