WITH looked AS MATERIALIZED (
    SELECT seq, topic, partition, "offset", keys FROM onward.block
    WHERE seq < %(before)s AND keys IS NOT NULL
    ORDER BY seq DESC LIMIT %(limit)s
)
SELECT seq, topic, partition, "offset", CASE WHEN position(%(mark)s::bytea IN keys) > 0 THEN keys END
FROM looked ORDER BY seq DESC
