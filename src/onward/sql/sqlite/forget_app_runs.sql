DELETE FROM run WHERE substr(task, 1, length(:name) + 1) = :name || '.'
