SELECT state, move, other, by, at, kind, after FROM onward.home
