DELETE FROM request WHERE id IN (SELECT value FROM json_each(:ids))
