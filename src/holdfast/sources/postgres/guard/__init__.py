"""Triggers that keep what anybody deletes from a PostgreSQL database."""
