"""A PostgreSQL database, read through SQL alone: works wherever a role may read, managed servers too."""

from holdfast.sources.postgres.source import PostgresSource

__all__ = ["PostgresSource"]
