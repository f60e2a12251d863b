"""Rows of SQLite: of a snapshot through its pages, without restoring it, and of the living database."""
