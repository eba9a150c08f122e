"""Scenarios on a PostgreSQL store: those of its neighbours that say nothing of SQLite, and what only a server brings."""
