DELETE FROM attempt WHERE rowid IN (SELECT value FROM json_each(:rowids))
