"""A PostgreSQL database, read through SQL alone: works wherever a role may read, managed servers too."""
