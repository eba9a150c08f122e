DELETE FROM shape WHERE topic = :name
