SELECT declaration FROM onward.document_table WHERE name = %(name)s
