"""What a plan means to the target that made it."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.model.plans import Action, RestoreStep
from holdfast.model.snapshot import Item
from holdfast.sources.files import inode
from holdfast.sources.files.names import ROOT

LISTED = 10_000
"""A new folder with more entries than this is planned and reported as one line with counts."""

TREE = "tree"
"""The kind of the step that sums up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """``actions`` None: a fresh place, everything is made. Else what to do with each item; absent means nothing.

    ``deletions`` in the order to delete them: what lies in a folder before the folder. ``blocked``: status and
    reason of what cannot be done, or is not to be done. ``leftovers``: half-made entries of restores that were killed.
    """

    path: str
    actions: dict[bytes, Action] | None
    deletions: tuple[bytes, ...] = ()
    blocked: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    leftovers: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Draft:
    """A plan being made."""

    steps: list[RestoreStep] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    size: int = 0
    sockets: int = 0
    blocked: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    leftovers: list[bytes] = field(default_factory=list)

    def add(self, item: Item, action: Action, detail: str = "") -> None:
        """One item that something happens to."""
        size = shown_size(item)
        self.steps.append(RestoreStep(item=item.name, kind=item.kind, action=action, size=size, detail=detail))
        self.count(action, size)

    def block(self, item: Item, status: str, why: str) -> None:
        """One item that cannot be made."""
        self.sockets += item.kind == inode.SOCKET
        self.blocked[item.name] = status, why
        self.add(item, Action.BLOCKED, why)

    def leave_differing(self, item: Item, found: list[str]) -> None:
        """One item that is not as in the snapshot, where nothing is to be overwritten."""
        detail = f"differs ({', '.join(found)}) and is left: --overwrite replaces it"
        self.blocked[item.name] = "incomplete", detail
        self.add(item, Action.LEAVE, detail)

    def count(self, action: Action, size: int = 0) -> None:
        """Count without listing."""
        self.counts[action.value] = self.counts.get(action.value, 0) + 1
        self.size += size

    def summary(self, action: Action) -> RestoreStep:
        """The one line about the whole tree."""
        return RestoreStep(
            item=ROOT, kind=TREE, action=action, size=self.size, counts=dict(self.counts),
            detail="" if self.counts else "nothing to do",
        )


def shown_size(item: Item) -> int:
    """The size of a file as a person sees it."""
    facts = (item.notes or {}).get(inode.FACTS, ())
    return int(facts[inode.SIZE]) if item.kind == inode.FILE and len(facts) > inode.SIZE else 0
