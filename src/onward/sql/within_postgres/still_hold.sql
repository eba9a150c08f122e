LOCK TABLE {schema}.onward_cursor IN EXCLUSIVE MODE
