UPDATE onward.run SET
    ended = %(ended)s, outcome = %(outcome)s, error = %(error)s, result = %(result)s, output = %(output)s
WHERE id = %(id)s
