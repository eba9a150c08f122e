SELECT name, since FROM onward.gone
