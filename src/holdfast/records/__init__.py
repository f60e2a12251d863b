"""Questions about rows that are asked the same way of every kind of database, in a snapshot or alive."""
