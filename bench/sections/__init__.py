"""One module per group of lines of the table: what is run, in which order, on which data."""
