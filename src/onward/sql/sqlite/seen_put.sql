INSERT OR REPLACE INTO seen (stage, partition, mark, "offset", at)
SELECT :stage, :partition, value ->> 0, value ->> 1, value ->> 2
FROM jsonb_each(:rows)
