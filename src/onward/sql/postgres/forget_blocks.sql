DELETE FROM {segment} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {segment} WHERE topic = %(name)s LIMIT %(most)s))
