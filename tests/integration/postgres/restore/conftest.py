"""The real servers, and a database on one of them, for every test of restoring."""

from __future__ import annotations

from tests.integration.postgres.restore.damaging import owner, server, shop
from tests.servers.postgres import database, pg

__all__ = ["database", "owner", "pg", "server", "shop"]
