UPDATE topic SET put = put + :count WHERE name = :name
