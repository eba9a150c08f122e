UPDATE source SET emitted = json_set(json_remove(emitted, '$."' || :was || '"'), '$."' || :name || '"', emitted -> :was)
WHERE emitted -> :was IS NOT NULL
