SELECT pg_advisory_xact_lock((20334::bigint << 48) + 3)
