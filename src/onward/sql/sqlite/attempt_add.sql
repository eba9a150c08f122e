INSERT INTO attempt (stage, partition, "offset", number, at, took, error, message, traceback)
VALUES (:stage, :partition, :offset, :number, :at, :took, :error, :message, :traceback)
