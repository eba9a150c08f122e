UPDATE onward.document SET version = changed.version, state = changed.state, value = changed.value, at = changed.at
FROM unnest(
    %(tables)s::text[], %(keys)s::text[], %(versions)s::bigint[], %(states)s::text[], %(values)s::text[], %(ats)s::timestamptz[]
) AS changed ("table", key, version, state, value, at)
WHERE document."table" = changed."table" AND document.key = changed.key
