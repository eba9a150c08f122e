SELECT name, cursor, emitted, last_run, next_run, state FROM onward.source
