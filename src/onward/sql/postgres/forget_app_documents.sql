DELETE FROM onward.document WHERE starts_with("table", %(name)s || '.')
