"""Plan values: what a restore, forget or prune is going to do. A dry run prints exactly this."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Action(StrEnum):
    """What will happen to one item of a restore target."""

    CREATE = "create"
    ADD = "add"                # rows or files that are missing are added, nothing existing changes
    OVERWRITE = "overwrite"    # what differs is replaced
    REPLACE = "replace"        # made exactly as in the snapshot, extra content removed
    DELETE = "delete"          # not in the snapshot, removed (--exact, undo)
    LEAVE = "leave"            # already as wanted, or not touched by this mode
    BLOCKED = "blocked"        # cannot be done; ``detail`` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreStep:
    """One item of a restore plan. ``counts`` may hold create/change/delete/unchanged numbers where known."""

    item: bytes
    kind: str
    action: Action
    rows: int | None = None
    size: int = 0
    detail: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Printable name."""
        return self.item.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """Everything a restore will do, decided from reading alone.

    ``target`` where to, printable, without password. ``refusals`` non-empty means that nothing will be done.
    ``private`` is for the target that made the plan (resolved names, versions); never printed.
    """

    target: str
    in_place: bool
    steps: tuple[RestoreStep, ...]
    warnings: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    private: Any = None

    def touched(self) -> tuple[RestoreStep, ...]:
        """Steps that change something which exists in the target now."""
        changing = (Action.ADD, Action.OVERWRITE, Action.REPLACE, Action.DELETE)
        return tuple(step for step in self.steps if step.action in changing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """What became of one item. ``status`` "ok", "failed", "skipped" or "incomplete"."""

    name: str
    action: str
    rows: int | None
    status: str
    detail: str = ""
