UPDATE {segment} SET maker = %(name)s WHERE maker = %(was)s
