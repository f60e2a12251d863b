"""The application and a repository, for every test of guards."""

from __future__ import annotations

from tests.integration.guard.application import application, cheap, room, world

__all__ = ["application", "cheap", "room", "world"]
