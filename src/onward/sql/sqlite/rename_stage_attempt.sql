UPDATE attempt SET stage = :name || substr(stage, length(:was) + 1)
WHERE stage = :was OR substr(stage, 1, length(:was) + 1) = :was || '~'
