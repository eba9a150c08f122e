UPDATE home SET kind = :kind, after = :after
WHERE state = 'arriving' AND move = :move AND kind = :kind_before AND after = :after_before
