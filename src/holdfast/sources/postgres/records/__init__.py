"""Rows of a PostgreSQL database one can ask for: out of a snapshot without restoring it, and of the living database."""
