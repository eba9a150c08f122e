SELECT partition, first, last, gone, closed FROM replay_range WHERE number = :number ORDER BY partition
