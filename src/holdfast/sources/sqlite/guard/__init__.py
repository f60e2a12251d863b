"""Triggers that keep what anybody deletes from a SQLite database."""
