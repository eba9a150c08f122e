SELECT name, incarnation, partitions FROM onward.topic ORDER BY name
