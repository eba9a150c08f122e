SELECT pg_advisory_xact_lock_shared((20334::bigint << 48) + 2)
