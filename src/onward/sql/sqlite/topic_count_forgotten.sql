UPDATE topic SET forgotten = forgotten + :count WHERE name = :name
