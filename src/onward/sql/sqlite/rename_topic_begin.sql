UPDATE begin SET topic = :name WHERE topic = :was
