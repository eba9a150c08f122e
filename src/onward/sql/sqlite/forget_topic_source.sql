UPDATE source SET emitted = json_remove(emitted, '$."' || :name || '"') WHERE emitted -> :name IS NOT NULL
