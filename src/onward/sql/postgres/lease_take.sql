INSERT INTO onward.lease (stage, partition, worker, token, until, taken, crashes)
VALUES (%(stage)s, %(partition)s, %(worker)s, %(token)s, %(until)s, %(taken)s, %(crashes)s)
ON CONFLICT (stage, partition) DO UPDATE SET
    worker = excluded.worker, token = excluded.token, until = excluded.until, taken = excluded.taken,
    crashes = excluded.crashes, state = ''
