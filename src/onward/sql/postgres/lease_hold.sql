WITH held AS MATERIALIZED (
    SELECT token FROM onward.lease WHERE stage = %(stage)s AND partition = %(partition)s FOR SHARE
)
SELECT CASE
    WHEN (SELECT token FROM held) IS DISTINCT FROM %(token)s
    THEN onward.refuse('OW001', json_build_array((SELECT token FROM held))::text)
END
