"""Documents looked at one by one, in a snapshot or in the living database, and written back in one transaction."""
