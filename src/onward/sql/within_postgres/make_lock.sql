SELECT pg_advisory_xact_lock(hashtextextended(%(schema)s || '.onward_cursor', 0))
