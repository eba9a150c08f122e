SELECT name, seq FROM sqlite_sequence WHERE name IN ('progress', 'replay', 'request', 'run') ORDER BY name
