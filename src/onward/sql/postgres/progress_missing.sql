SELECT (
    coalesce((
        SELECT sum(newest.seq) FROM (
            SELECT max(seq) AS seq FROM onward.progress GROUP BY stage, partition
        ) AS newest
    ), 0)
    - (SELECT count(*) FROM onward.progress)
    - (SELECT coalesce(sum(commits), 0) FROM onward.statistic)
)::bigint
