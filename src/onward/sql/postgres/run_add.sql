INSERT INTO onward.run (task, by, process, started, ended, arguments, outcome, error, result, output)
VALUES (
    %(task)s, %(by)s, %(process)s, %(started)s, %(ended)s, %(arguments)s, %(outcome)s, %(error)s, %(result)s,
    %(output)s
)
RETURNING id
