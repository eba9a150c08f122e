DELETE FROM document WHERE substr("table", 1, length(:name) + 1) = :name || '.'
