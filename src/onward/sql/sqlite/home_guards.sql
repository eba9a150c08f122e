SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'home\_%' ESCAPE '\'
