DELETE FROM onward.source WHERE name = %(name)s
