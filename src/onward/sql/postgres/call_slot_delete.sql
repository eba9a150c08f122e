DELETE FROM onward.call_slot WHERE stage = %(stage)s AND worker = %(worker)s
