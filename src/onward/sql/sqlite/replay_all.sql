SELECT number, stage, key, rate, same_id, by, at, cancelled FROM replay ORDER BY number
