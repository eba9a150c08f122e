SELECT finished FROM folded WHERE stage = :stage AND partition = :partition
