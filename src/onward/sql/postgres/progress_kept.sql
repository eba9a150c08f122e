SELECT max(seq) FROM onward.progress WHERE stage = %(stage)s AND partition = %(partition)s
UNION ALL
SELECT seq FROM onward.progress WHERE stage = %(stage)s AND partition = %(partition)s AND unit = (
    SELECT max(greatest.unit) FROM onward.progress AS greatest
    WHERE greatest.stage = %(stage)s AND greatest.partition = %(partition)s AND greatest.unit IS NOT NULL
)
