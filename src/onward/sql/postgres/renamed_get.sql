SELECT name FROM onward.renamed WHERE was = %(was)s
