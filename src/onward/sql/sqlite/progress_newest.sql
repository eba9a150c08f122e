SELECT next, totals FROM progress
WHERE stage = :stage AND partition = :partition
ORDER BY seq DESC LIMIT 1
