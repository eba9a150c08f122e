SELECT document."table", document.key, document.version
FROM unnest(%(tables)s::text[], %(keys)s::text[]) AS changed ("table", key)
JOIN onward.document ON document."table" = changed."table" AND document.key = changed.key
ORDER BY document."table", document.key
FOR NO KEY UPDATE OF document
