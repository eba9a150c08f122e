UPDATE document SET "table" = :name WHERE "table" = :was
