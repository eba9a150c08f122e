DELETE FROM onward.run WHERE starts_with(task, %(name)s || '.')
