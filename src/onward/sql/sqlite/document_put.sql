INSERT INTO document ("table", key, version, state, value, at)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 4, value ->> 5, value ->> 6
FROM json_each(:rows) WHERE true
ON CONFLICT ("table", key) DO UPDATE SET
    version = excluded.version, state = excluded.state, value = excluded.value, at = excluded.at
