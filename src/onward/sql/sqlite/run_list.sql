SELECT id, task, by, process, started, ended, arguments, outcome, error, result, output
FROM run WHERE (:task IS NULL OR task = :task) ORDER BY id DESC LIMIT :limit
