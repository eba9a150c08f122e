UPDATE onward.source SET emitted = emitted - %(name)s::text WHERE emitted ? %(name)s
