DELETE FROM document_entry WHERE "table" = :table AND key IN (SELECT value FROM json_each(:keys))
