DELETE FROM statistic WHERE stage = :name
