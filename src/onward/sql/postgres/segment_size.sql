SELECT coalesce(sum(size), 0)::bigint FROM {segment}
