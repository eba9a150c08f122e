INSERT INTO lease (stage, partition, worker, token, until, taken, crashes)
VALUES (:stage, :partition, :worker, :token, :until, :taken, :crashes)
ON CONFLICT (stage, partition) DO UPDATE SET
    worker = excluded.worker, token = excluded.token, until = excluded.until, taken = excluded.taken,
    crashes = excluded.crashes, state = ''
