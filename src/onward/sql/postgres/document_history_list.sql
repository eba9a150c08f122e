SELECT "table", key, version, action, state, value, at, by, origin
FROM onward.document_history WHERE "table" = %(table)s AND key = %(key)s ORDER BY version
