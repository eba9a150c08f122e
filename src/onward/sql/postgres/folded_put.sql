INSERT INTO onward.folded (stage, partition, finished) VALUES (%(stage)s, %(partition)s, %(finished)s)
ON CONFLICT (stage, partition) DO UPDATE SET finished = excluded.finished
