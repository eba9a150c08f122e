DELETE FROM run WHERE task = :task AND id NOT IN (SELECT id FROM run WHERE task = :task ORDER BY id DESC LIMIT :kept)
