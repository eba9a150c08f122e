SELECT name, by, since FROM pause
