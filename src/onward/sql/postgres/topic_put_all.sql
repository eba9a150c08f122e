SELECT topic, sum(count)::bigint FROM onward.block WHERE maker IS NULL AND size > 2 GROUP BY topic
