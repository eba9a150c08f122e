DELETE FROM onward.document_entry WHERE starts_with("table", %(name)s || '.')
