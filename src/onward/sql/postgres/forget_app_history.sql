DELETE FROM onward.document_history WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM onward.document_history WHERE starts_with("table", %(name)s || '.') LIMIT %(most)s
))
