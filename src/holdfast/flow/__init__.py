"""Moves bytes: from a source into the repository, and back. One function per direction."""
