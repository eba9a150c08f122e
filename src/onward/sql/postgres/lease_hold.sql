WITH held AS MATERIALIZED (
    SELECT token, worker FROM onward.lease WHERE stage = %(stage)s AND partition = %(partition)s FOR SHARE
)
SELECT CASE
    -- A store that has lost commits may give the same token again.
    WHEN NOT EXISTS (SELECT FROM held WHERE token = %(token)s AND worker = %(worker)s)
    THEN onward.refuse('OW001', json_build_array((SELECT token FROM held))::text)
END
