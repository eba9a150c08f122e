DELETE FROM onward.document_entry WHERE "table" = %(table)s
