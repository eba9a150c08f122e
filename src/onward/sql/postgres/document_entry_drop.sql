DELETE FROM onward.document_entry WHERE "table" = %(table)s AND key = ANY(%(keys)s::text[])
