UPDATE onward.topic SET incarnation = %(incarnation)s, held = greatest(partitions, held, %(partitions)s), partitions = %(partitions)s WHERE name = %(name)s
