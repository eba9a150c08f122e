INSERT INTO onward.replay (stage, key, rate, same_id, by, at) VALUES (%(stage)s, %(key)s, %(rate)s, %(same_id)s, %(by)s, %(at)s)
RETURNING number
