"""The audit trail: what was noted stays, in order, and whatever is done to it shows."""

from __future__ import annotations

import threading

import pytest
from tests.unit.repository.opened import cheap, memory, repository, room, world
from tests.faults.world import World

from holdfast.model.audit import Act
from holdfast.repository.audit import Trail
from holdfast.repository.audit_check import verify
from holdfast.repository.repository import Repository
from holdfast.storage.memory import MemoryStorage

__all__ = ["cheap", "memory", "repository", "room", "world"]


def act(number: int) -> Act:
    return Act(at=f"2026-11-21T10:00:{number:02d}.000Z", deed="data:read", who="ada", via="cli", what=f"look {number}")


def test_a_whole_trail_has_no_findings(repository: Repository) -> None:
    """Entries are numbered from 1, and each follows the one before it."""
    assert [repository.trail.append([act(number), act(number)]) for number in range(5)] == [1, 2, 3, 4, 5]
    check = verify(repository.vault)
    assert (check.entries, check.acts, check.head.number, check.found.findings) == (5, 10, 5, [])
