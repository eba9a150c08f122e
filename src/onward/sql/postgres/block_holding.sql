SELECT seq, topic, partition, "offset", keys FROM onward.block
WHERE seq < %(before)s AND keys IS NOT NULL
ORDER BY seq DESC LIMIT %(limit)s
