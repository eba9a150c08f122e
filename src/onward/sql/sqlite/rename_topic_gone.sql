UPDATE gone SET topic = :name WHERE topic = :was
