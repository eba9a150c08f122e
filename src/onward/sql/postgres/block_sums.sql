SELECT coalesce(sum(count), 0)::bigint, coalesce(sum(size), 0)::bigint FROM onward.block
