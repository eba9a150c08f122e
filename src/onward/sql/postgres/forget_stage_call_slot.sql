DELETE FROM onward.call_slot WHERE stage = %(name)s
