INSERT INTO onward.attempt (stage, partition, "offset", number, at, took, error, message, traceback)
SELECT %(stage)s, %(partition)s, made.*
FROM unnest(
    %(offsets)s::bigint[], %(numbers)s::integer[], %(ats)s::timestamptz[], %(tooks)s::double precision[],
    %(errors)s::text[], %(messages)s::text[], %(tracebacks)s::text[]
) AS made
