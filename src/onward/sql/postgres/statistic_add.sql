INSERT INTO onward.statistic (stage, partition, minute, count, commits)
VALUES (%(stage)s, %(partition)s, %(minute)s, %(count)s, %(commits)s)
ON CONFLICT (stage, partition, minute) DO UPDATE SET
    count = statistic.count + excluded.count, commits = statistic.commits + excluded.commits
