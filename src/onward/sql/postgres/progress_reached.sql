SELECT greatest(
    (SELECT max(seq) FROM onward.progress WHERE stage = %(stage)s AND partition = %(partition)s),
    (SELECT sum(commits) FROM onward.statistic WHERE stage = %(stage)s AND partition = %(partition)s),
    0
)::bigint
