DELETE FROM document_entry WHERE "table" = :table
