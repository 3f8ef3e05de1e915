"""The database's history: a file in `versions` for each change, run by Alembic when a database is opened."""
