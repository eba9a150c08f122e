SELECT "table", key, version, state, value, at
FROM document
WHERE "table" = :table AND key >= coalesce(:after, '') AND (:after IS NULL OR key <> :after) AND value IS NOT NULL
ORDER BY key
