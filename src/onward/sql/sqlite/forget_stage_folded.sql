DELETE FROM folded WHERE stage = :name
