SELECT has_schema_privilege(current_schema(), 'CREATE')
