SELECT cursor, emitted, last_run, next_run, state FROM source WHERE name = :name
