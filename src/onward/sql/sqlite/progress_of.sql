SELECT seq, written, finished, dropped FROM progress
WHERE stage = :stage AND partition = :partition
AND last > :offset AND last <= :offset + 10000 AND first <= :offset
UNION
SELECT seq, written, finished, dropped FROM progress INDEXED BY progress_wide
WHERE stage = :stage AND partition = :partition AND last - first > 10000 AND last > :offset AND first <= :offset
ORDER BY seq
