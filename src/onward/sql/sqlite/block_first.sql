SELECT min("offset") FROM block WHERE topic = :topic AND partition = :partition AND size > 2
