SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'progress'), 0)
    - (SELECT count(*) FROM progress)
    - (SELECT coalesce(sum(commits), 0) FROM statistic)
    - coalesce((SELECT count FROM tally WHERE name = 'forgotten progress'), 0)
