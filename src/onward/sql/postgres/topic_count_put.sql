UPDATE onward.topic SET put = put + %(count)s WHERE name = %(name)s
