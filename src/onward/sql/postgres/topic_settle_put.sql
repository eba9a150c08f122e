UPDATE onward.topic SET put = topic.put - kept.put
FROM (
    SELECT topic, sum(count) AS put FROM onward.block WHERE maker IS NULL AND size > 2 GROUP BY topic
) AS kept
WHERE kept.topic = topic.name
