SELECT coalesce(sum(count), 0) FROM statistic WHERE stage = :stage AND partition = :partition
