DELETE FROM onward.run
WHERE task = %(task)s AND id NOT IN (SELECT id FROM onward.run WHERE task = %(task)s ORDER BY id DESC LIMIT %(kept)s)
