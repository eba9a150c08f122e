UPDATE document_entry SET "table" = :name WHERE "table" = :was
