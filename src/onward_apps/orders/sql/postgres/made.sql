SELECT to_regclass('{schema}.loader_deliveries') IS NOT NULL AND to_regclass('{schema}.loader_sequence') IS NOT NULL
