DELETE FROM retained WHERE topic = :name
