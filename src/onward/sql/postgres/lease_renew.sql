UPDATE onward.lease SET until = %(until)s, state = %(state)s
WHERE stage = %(stage)s AND partition = %(partition)s AND token = %(token)s
