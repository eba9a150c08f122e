DELETE FROM onward.renamed WHERE was = %(was)s
