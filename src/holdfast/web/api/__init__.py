"""/api: resources for programs, and the old contracts as they are."""
