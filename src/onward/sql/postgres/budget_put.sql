UPDATE onward.budget SET free_at = %(free_at)s, at = %(at)s, per_second = %(per_second)s WHERE name = %(name)s
