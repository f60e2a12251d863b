"""Items that cannot be made whatever the target looks like, and why."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.snapshot import Item
from holdfast.sources.files import inode
from holdfast.sources.files.names import is_sound

_DEVICES = frozenset((inode.CHARDEV, inode.BLOCKDEV))
_KNOWN = frozenset(inode.KINDS.values())


@dataclass(frozen=True, slots=True)
class Obstacle:
    """``status`` as in ItemResult, ``why`` one sentence."""

    status: str
    why: str


def obstacle(item: Item, *, privileged: bool) -> Obstacle | None:
    """Why this item is not made; None for nearly all."""
    if not is_sound(item.name):
        return Obstacle("failed", "refused: the name would lead out of the folder")
    if item.kind not in _KNOWN:
        return Obstacle("failed", f"written by a newer holdfast: unknown kind {item.kind}")
    notes = item.notes
    if not notes or len(notes.get(inode.FACTS, ())) <= inode.SIZE:
        return Obstacle("failed", "the snapshot holds no metadata for it")
    if item.kind == inode.SOCKET:
        return Obstacle("skipped", "a socket is made by the program that listens on it")
    if inode.BROKEN in notes and item.kind != inode.DIR and not item.segments:
        return Obstacle("incomplete", f"not in the snapshot: {notes[inode.BROKEN]}")
    if item.kind in _DEVICES and not privileged and inode.HARDLINK not in notes:
        return Obstacle("failed", "only root may make device nodes")
    return None


def blemish(item: Item) -> str:
    """What is wrong with the saved content of an item that is restored all the same."""
    notes = item.notes or {}
    if inode.BROKEN in notes:
        return f"incomplete in the snapshot: {notes[inode.BROKEN]}"
    if inode.CHANGED in notes:
        return "it changed while it was being saved and may mix old and new content"
    return ""
