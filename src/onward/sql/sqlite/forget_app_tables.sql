DELETE FROM document_table WHERE substr(name, 1, length(:name) + 1) = :name || '.'
