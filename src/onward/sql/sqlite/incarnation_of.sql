SELECT topic.incarnation FROM begin JOIN topic ON topic.name = begin.topic
WHERE begin.stage = :stage AND begin.partition = :partition
