UPDATE onward.lease SET until = %(until)s, state = %(state)s
WHERE stage = %(stage)s AND partition = %(partition)s AND token = %(token)s AND worker = %(worker)s
RETURNING
    coalesce(
        (
            SELECT seq FROM onward.progress WHERE stage = %(stage)s AND partition = %(partition)s
            ORDER BY seq DESC LIMIT 1
        ),
        0
    ),
    (SELECT emitted FROM onward.source WHERE name = %(stage)s)
