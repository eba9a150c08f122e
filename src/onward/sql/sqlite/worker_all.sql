SELECT name, port, until, wants FROM worker
