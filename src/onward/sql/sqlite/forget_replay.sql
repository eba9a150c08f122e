DELETE FROM replay WHERE number = :number
