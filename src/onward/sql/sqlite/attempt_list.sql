SELECT "offset", number, at, took, error, message, traceback FROM attempt
WHERE stage = :stage AND partition = :partition AND "offset" = :offset ORDER BY rowid
