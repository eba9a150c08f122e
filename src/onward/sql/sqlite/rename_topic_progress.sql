UPDATE progress SET totals = json_set(
    json_remove(totals, '$.emitted."' || :was || '"'), '$.emitted."' || :name || '"', totals -> 'emitted' -> :was
)
WHERE totals -> 'emitted' -> :was IS NOT NULL
