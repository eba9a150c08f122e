UPDATE block SET maker = :name WHERE maker = :was
