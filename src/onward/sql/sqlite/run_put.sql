INSERT INTO run (id, task, by, process, started, ended, arguments, outcome, error, result, output)
VALUES (:id, :task, :by, :process, :started, :ended, :arguments, :outcome, :error, :result, :output)
ON CONFLICT (id) DO UPDATE SET
    ended = excluded.ended, outcome = excluded.outcome, error = excluded.error,
    result = excluded.result, output = excluded.output
RETURNING id
