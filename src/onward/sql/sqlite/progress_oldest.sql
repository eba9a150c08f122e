SELECT seq, coalesce(last, 0), next, written FROM progress
WHERE stage = :stage AND partition = :partition ORDER BY seq
