SELECT pg_advisory_xact_lock(hashtextextended('onward loader makes', 0))
