UPDATE onward.progress SET totals = jsonb_set(
    totals #- ARRAY['emitted', %(was)s::text], ARRAY['emitted', %(name)s::text], totals -> 'emitted' -> %(was)s::text
)
WHERE totals -> 'emitted' ? %(was)s::text
