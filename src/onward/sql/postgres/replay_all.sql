SELECT number, stage, key, rate, same_id, by, at, cancelled FROM onward.replay ORDER BY number
