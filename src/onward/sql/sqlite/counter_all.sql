SELECT name, seq - CASE name
    WHEN 'progress' THEN coalesce((SELECT count FROM tally WHERE name = 'forgotten progress'), 0)
    ELSE 0
END
FROM sqlite_sequence WHERE name IN ('progress', 'replay', 'request', 'run') ORDER BY name
