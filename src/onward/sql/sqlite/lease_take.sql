INSERT INTO lease (stage, partition, worker, token, until) VALUES (:stage, :partition, :worker, :token, :until)
ON CONFLICT (stage, partition) DO UPDATE SET
    worker = excluded.worker, token = excluded.token, until = excluded.until, state = ''
