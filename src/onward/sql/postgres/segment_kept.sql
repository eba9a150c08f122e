SELECT count(*), coalesce(sum(size - 2), 0)::bigint FROM {kept}
