UPDATE onward.document SET "table" = %(name)s WHERE "table" = %(was)s
