UPDATE shape SET topic = :name WHERE topic = :was
