"""The real servers, for every test of restoring."""

from __future__ import annotations

from tests.servers.postgres import database, pg

__all__ = ["database", "pg"]
