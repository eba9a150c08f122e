DELETE FROM source WHERE name = :name
