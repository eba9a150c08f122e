SELECT name, since FROM gone
