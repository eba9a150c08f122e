SELECT sum(size) FROM (
    SELECT size FROM block
    WHERE topic = :topic AND partition = :partition AND "offset" + count > :next AND "offset" >= (
        SELECT coalesce(max("offset"), 0) FROM block
        WHERE topic = :topic AND partition = :partition AND "offset" <= :next
    )
    LIMIT 100000
)
