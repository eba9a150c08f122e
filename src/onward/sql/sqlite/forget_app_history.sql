DELETE FROM document_history WHERE ("table", key, version) IN (
    SELECT "table", key, version FROM document_history
    WHERE substr("table", 1, length(:name) + 1) = :name || '.' LIMIT :most
)
