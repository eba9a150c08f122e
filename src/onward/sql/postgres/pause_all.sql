SELECT name, by, since FROM onward.pause
