SELECT "table", key, version, state, value, at FROM onward.document
WHERE "table" = %(table)s AND (%(after)s::text IS NULL OR key > %(after)s) AND value IS NOT NULL
ORDER BY key LIMIT %(limit)s
