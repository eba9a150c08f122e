SELECT id, task, by, process, started, ended, arguments, outcome, error, result, output
FROM onward.run WHERE (%(task)s::text IS NULL OR task = %(task)s) ORDER BY id DESC LIMIT %(limit)s
