INSERT INTO onward.replay_range (number, partition, first, last, gone, closed)
VALUES (%(number)s, %(partition)s, %(first)s, %(last)s, %(gone)s, %(closed)s)
