INSERT INTO onward.topic (name, incarnation, partitions, made)
VALUES (%(name)s, %(incarnation)s, %(partitions)s, %(made)s)
