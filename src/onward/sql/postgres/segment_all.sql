SELECT number FROM onward.segment ORDER BY number
