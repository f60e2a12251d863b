"""The real servers, for every test of formats."""

from __future__ import annotations

from tests.servers.postgres import database, pg

__all__ = ["database", "pg"]
