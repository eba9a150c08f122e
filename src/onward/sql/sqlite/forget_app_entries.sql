DELETE FROM document_entry WHERE substr("table", 1, length(:name) + 1) = :name || '.'
