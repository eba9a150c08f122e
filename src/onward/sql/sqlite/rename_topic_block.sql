UPDATE block SET topic = :name WHERE topic = :was
