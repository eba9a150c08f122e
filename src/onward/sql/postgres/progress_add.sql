WITH newest AS MATERIALIZED (
    SELECT seq, next, totals FROM onward.progress
    WHERE stage = %(stage)s AND partition = %(partition)s
    ORDER BY seq DESC LIMIT 1
)
INSERT INTO onward.progress (
    stage, partition, seq, first, last, next, count, written, unit, finished, totals, dropped
)
SELECT
    %(stage)s, %(partition)s, coalesce((SELECT seq FROM newest), 0) + 1, %(first)s::bigint, %(last)s::bigint,
    coalesce(
        %(next)s::bigint,
        (SELECT next FROM newest),
        (SELECT "offset" FROM onward.begin WHERE stage = %(stage)s AND partition = %(partition)s),
        0
    ),
    %(count)s, %(written)s, %(unit)s, %(finished)s::jsonb,
    coalesce(%(totals)s::jsonb, (SELECT totals FROM newest), '{}'::jsonb), %(dropped)s
WHERE CASE
    WHEN coalesce((SELECT seq FROM newest), 0) < %(kept)s
    THEN onward.refuse(
        'OW005',
        json_build_array(%(stage)s::text || ':' || %(partition)s, (SELECT seq FROM newest), %(kept)s)::text
    )
    ELSE true
END
RETURNING seq
