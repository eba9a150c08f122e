INSERT INTO onward.document_history ("table", key, version, action, state, value, at, by, origin)
SELECT * FROM unnest(
    %(tables)s::text[], %(keys)s::text[], %(versions)s::bigint[], %(actions)s::text[], %(states)s::text[],
    %(values)s::text[], %(ats)s::timestamptz[], %(bys)s::text[], %(origins)s::text[]
)
