"""How Onward opens and writes SQLite files: only through apsw, in turns, with every commit on disk."""
