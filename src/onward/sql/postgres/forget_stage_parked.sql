DELETE FROM onward.parked WHERE stage = %(name)s
