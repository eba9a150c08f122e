SELECT incarnation, partitions, greatest(partitions, held) FROM onward.topic WHERE name = %(name)s
