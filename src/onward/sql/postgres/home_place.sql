UPDATE onward.home SET kind = %(kind)s, after = %(after)s
WHERE state = 'arriving' AND move = %(move)s AND kind = %(kind_before)s AND after = %(after_before)s
