INSERT INTO onward.parked
    (stage, partition, "offset", key, state, due, attempts, since, error, reason, batch, approved, nonce, entry)
SELECT %(stage)s, %(partition)s, made.*
FROM unnest(
    %(offsets)s::bigint[], %(keys)s::text[], %(states)s::text[], %(dues)s::timestamptz[], %(attempts)s::integer[],
    %(sinces)s::timestamptz[], %(errors)s::text[], %(reasons)s::text[], %(batches)s::text[], %(approved)s::boolean[],
    %(nonces)s::text[], %(entries)s::text[]
) AS made
ON CONFLICT (stage, partition, "offset") DO UPDATE SET
    key = excluded.key, state = excluded.state, due = excluded.due, attempts = excluded.attempts,
    since = excluded.since, error = excluded.error, reason = excluded.reason, batch = excluded.batch,
    approved = excluded.approved, nonce = excluded.nonce, entry = excluded.entry
