SELECT coalesce(sum(commits), 0) FROM statistic WHERE stage = :name
