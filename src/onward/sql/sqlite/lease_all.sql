SELECT stage, partition, worker, until, state FROM lease
