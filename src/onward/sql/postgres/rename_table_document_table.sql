UPDATE onward.document_table SET name = %(name)s WHERE name = %(was)s
