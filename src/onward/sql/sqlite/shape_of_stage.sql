SELECT shape.fingerprint, shape.shape FROM begin JOIN shape ON shape.topic = begin.topic
WHERE begin.stage = :stage AND begin.partition = :partition ORDER BY shape.seq
