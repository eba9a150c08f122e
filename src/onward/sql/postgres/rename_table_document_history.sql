UPDATE onward.document_history SET "table" = %(name)s WHERE "table" = %(was)s
