SELECT name FROM renamed WHERE was = :was
