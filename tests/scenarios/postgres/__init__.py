"""Scenarios on a PostgreSQL store: some that say nothing of SQLite, and what only a server brings."""
