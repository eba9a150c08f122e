UPDATE block SET entries = '[]', keys = NULL, size = 2
WHERE topic = :topic AND partition = :partition AND "offset" = :offset
