SELECT topic.incarnation FROM onward.begin JOIN onward.topic ON topic.name = begin.topic
WHERE begin.stage = %(stage)s AND begin.partition = %(partition)s
