SELECT document."table", document.key, document.version, document.state, document.value, document.at
FROM onward.document_entry AS entry
JOIN onward.document ON document."table" = entry."table" AND document.key = entry.key
WHERE entry."table" = %(table)s AND entry.field = %(field)s
AND (entry.kind, entry.number, entry.text) >= (%(low_kind)s, %(low_number)s::numeric, %(low_text)s)
AND (entry.kind, entry.number, entry.text) <= (%(high_kind)s, %(high_number)s::numeric, %(high_text)s)
ORDER BY entry.kind, entry.number, entry.text, entry.key
