SELECT max(seq) FROM progress WHERE stage = :stage AND partition = :partition
UNION ALL
SELECT seq FROM progress WHERE stage = :stage AND partition = :partition AND unit = (
    SELECT max(greatest.unit) FROM progress AS greatest
    WHERE greatest.stage = :stage AND greatest.partition = :partition AND greatest.unit IS NOT NULL
)
