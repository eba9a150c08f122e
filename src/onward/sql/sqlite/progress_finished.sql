SELECT finished FROM progress WHERE stage = :stage AND partition = :partition AND count > 0 ORDER BY first
