UPDATE progress SET totals = json_remove(totals, '$.emitted."' || :name || '"')
WHERE seq IN (SELECT max(seq) FROM progress GROUP BY stage, partition) AND totals -> 'emitted' -> :name IS NOT NULL
