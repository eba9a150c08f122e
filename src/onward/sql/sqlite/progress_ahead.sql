SELECT finished FROM progress WHERE stage = :stage AND partition = :partition AND last > :next ORDER BY last
