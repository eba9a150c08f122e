SELECT coalesce(sum(count), 0)::bigint FROM onward.statistic WHERE stage = %(stage)s AND partition = %(partition)s
