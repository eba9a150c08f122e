SELECT coalesce(sum(count), 0), coalesce(sum(size), 0) FROM block
