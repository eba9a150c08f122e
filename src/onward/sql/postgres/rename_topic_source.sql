UPDATE onward.source SET emitted = (emitted - %(was)s::text) || jsonb_build_object(%(name)s::text, emitted -> %(was)s::text)
WHERE emitted ? %(was)s::text
