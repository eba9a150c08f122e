SELECT "table", key, version, state, value, at FROM document WHERE "table" = :table AND key = :key
