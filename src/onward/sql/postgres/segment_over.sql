SELECT began + coalesce(
    (
        SELECT max((topic ->> 'keep')::double precision) * interval '1 second' / %(share)s
        FROM onward.app, json_array_elements(app.declaration::json -> 'topics') AS topic
    ),
    interval '1 day'
) < %(now)s
FROM onward.segment ORDER BY number DESC LIMIT 1
