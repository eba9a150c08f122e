SELECT shape.fingerprint, shape.shape FROM onward.begin JOIN onward.shape ON shape.topic = begin.topic
WHERE begin.stage = %(stage)s AND begin.partition = %(partition)s ORDER BY shape.seq
