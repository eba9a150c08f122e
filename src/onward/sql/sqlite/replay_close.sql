UPDATE replay_range SET closed = :now WHERE number = :number AND partition = :partition
