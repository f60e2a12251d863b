"""Rows in the formats of other systems: read into what a snapshot can be made of, and written out of one."""
