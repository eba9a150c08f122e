DELETE FROM progress WHERE stage = :name
