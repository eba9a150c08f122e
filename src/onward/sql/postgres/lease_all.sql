SELECT stage, partition, worker, until, state FROM onward.lease
