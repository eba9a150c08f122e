DELETE FROM attempt WHERE stage = :name
