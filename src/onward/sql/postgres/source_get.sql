SELECT cursor, emitted, last_run, next_run, state FROM onward.source WHERE name = %(name)s
