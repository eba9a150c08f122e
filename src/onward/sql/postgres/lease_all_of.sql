SELECT token FROM onward.lease WHERE stage = %(stage)s ORDER BY partition FOR UPDATE
