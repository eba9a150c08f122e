INSERT INTO attempt (stage, partition, "offset", number, at, took, error, message, traceback)
SELECT
    :stage, :partition, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
FROM jsonb_each(:rows)
