SELECT "offset", count, nonce, CAST(entries AS BLOB) FROM block
WHERE topic = :topic AND partition = :partition AND size > 2 AND "offset" >= coalesce(
    (
        SELECT max(earlier."offset") FROM block AS earlier
        WHERE earlier.topic = :topic AND earlier.partition = :partition AND earlier."offset" <= :offset
    ),
    0
)
ORDER BY "offset"
