SELECT topic, sum(put)::bigint FROM (
    SELECT DISTINCT ON (topic, partition)
        topic, put_before + CASE WHEN maker IS NULL THEN count ELSE 0 END AS put
    FROM onward.block ORDER BY topic, partition, "offset" DESC
) AS newest
GROUP BY topic HAVING sum(put) > 0 ORDER BY topic
