DELETE FROM onward.progress WHERE (stage, partition, seq) IN (
    SELECT stage, partition, seq FROM onward.progress
    WHERE stage = %(name)s AND (partition, seq) NOT IN (
        SELECT partition, max(seq) FROM onward.progress WHERE stage = %(name)s GROUP BY partition
    )
    LIMIT %(most)s
)
