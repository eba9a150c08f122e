DELETE FROM renamed WHERE was = :was
