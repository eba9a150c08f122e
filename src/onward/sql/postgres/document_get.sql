SELECT "table", key, version, state, value, at FROM onward.document WHERE "table" = %(table)s AND key = %(key)s
