SELECT topic, partition, min("offset") FROM onward.block WHERE size > 2 GROUP BY topic, partition
