SELECT first.value ->> 0, first.value ->> 1, first.value ->> 2, coalesce(document.version, 0)
FROM json_each(:rows) AS first
LEFT JOIN document ON document."table" = first.value ->> 0 AND document.key = first.value ->> 1
WHERE coalesce(document.version, 0) <> first.value ->> 2
LIMIT 1
