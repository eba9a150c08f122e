INSERT INTO statistic (stage, partition, minute, count, commits)
VALUES (:stage, :partition, :minute, :count, :commits)
ON CONFLICT (stage, partition, minute) DO UPDATE SET
    count = count + excluded.count, commits = commits + excluded.commits
