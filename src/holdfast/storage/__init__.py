"""Dumb, flat stores: name -> bytes. Nothing in here knows what a backup is."""
