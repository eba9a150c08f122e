INSERT OR REPLACE INTO call_slot (stage, worker, held, wants, until)
VALUES (:stage, :worker, :held, :wants, :until)
