SELECT
    number,
    CASE
        WHEN pg_relation_size('onward.block_' || lpad(number::text, 6, '0')) > 0
        THEN pg_total_relation_size('onward.block_' || lpad(number::text, 6, '0'))
        ELSE 0
    END
FROM onward.segment ORDER BY number DESC
