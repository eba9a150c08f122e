UPDATE onward.document_entry SET "table" = %(name)s WHERE "table" = %(was)s
