SELECT worker, held, wants, until FROM onward.call_slot WHERE stage = %(stage)s
