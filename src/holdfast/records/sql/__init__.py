"""A snapshot as a database that can only be asked: DuckDB over rows that are decoded as it reads them."""
