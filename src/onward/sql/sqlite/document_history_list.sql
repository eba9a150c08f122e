SELECT "table", key, version, action, state, value, at, by, origin
FROM document_history WHERE "table" = :table AND key = :key ORDER BY version
