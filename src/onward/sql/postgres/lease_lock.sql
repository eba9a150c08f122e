SELECT pg_advisory_xact_lock(hashtextextended(%(stage)s::text, %(partition)s))
