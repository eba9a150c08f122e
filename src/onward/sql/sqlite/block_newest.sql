SELECT max("offset") FROM block WHERE topic = :topic AND partition = :partition
