DELETE FROM block WHERE rowid IN (
    SELECT rowid FROM block WHERE topic = :name ORDER BY partition, "offset" LIMIT :most
)
