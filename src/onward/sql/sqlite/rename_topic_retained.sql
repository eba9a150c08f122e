UPDATE retained SET topic = :name WHERE topic = :was
