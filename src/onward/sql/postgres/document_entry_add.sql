INSERT INTO onward.document_entry ("table", field, kind, number, text, key)
SELECT %(table)s, * FROM unnest(
    %(fields)s::text[], %(kinds)s::smallint[], %(numbers)s::numeric[], %(texts)s::text[], %(keys)s::text[]
)
