DELETE FROM onward.document_table WHERE starts_with(name, %(name)s || '.')
