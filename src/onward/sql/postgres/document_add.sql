INSERT INTO onward.document ("table", key, version, state, value, at)
SELECT * FROM unnest(
    %(tables)s::text[], %(keys)s::text[], %(versions)s::bigint[], %(states)s::text[], %(values)s::text[], %(ats)s::timestamptz[]
)
ON CONFLICT ("table", key) DO NOTHING
