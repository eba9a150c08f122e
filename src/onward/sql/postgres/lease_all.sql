SELECT stage, partition, worker, until, state FROM onward.lease ORDER BY stage, partition
