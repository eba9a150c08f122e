UPDATE document_history SET "table" = :name WHERE "table" = :was
