SELECT pg_advisory_xact_lock(hashtextextended('onward loader ' || %(schema)s || ' ' || %(process)s, 0))
