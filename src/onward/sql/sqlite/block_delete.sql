DELETE FROM block WHERE topic = :topic AND partition = :partition AND "offset" < :offset
