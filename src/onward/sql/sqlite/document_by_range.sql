SELECT document."table", document.key, document.version, document.state, document.value, document.at
FROM document_entry AS entry
JOIN document ON document."table" = entry."table" AND document.key = entry.key
WHERE entry."table" = :table AND entry.field = :field AND entry.value >= :low AND entry.value <= :high
ORDER BY entry.value, entry.key
