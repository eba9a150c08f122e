DELETE FROM replay_range WHERE number = :number
