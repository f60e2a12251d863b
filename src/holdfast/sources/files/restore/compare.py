"""What differs between an item of a snapshot and the entry of that name that stands in the target now."""

from __future__ import annotations

import os

from holdfast.model.snapshot import Item, Notes
from holdfast.sources.files import inode
from holdfast.sources.files.restore.dress import Dresser

CONTENT = frozenset(("kind", "content", "size", "mtime", "symlink target", "device", "hard link"))
"""Differences that cannot be mended by changing metadata alone (an mtime of a folder can)."""


def notes_of(item: Item) -> Notes:
    """The notes, or those of an item whose notes are unusable (KeyError names it)."""
    if not item.notes or len(item.notes.get(inode.FACTS, ())) <= inode.SIZE:
        raise KeyError("the snapshot holds no metadata for it")
    return item.notes


def differences(item: Item, stat: os.stat_result, name: bytes, dir_fd: int, dresser: Dresser) -> list[str]:
    """In words, empty when the entry is as the snapshot has it (content judged by size and mtime; see ``doubtful``)."""
    notes = notes_of(item)
    facts = notes[inode.FACTS]
    if inode.kind_of(stat.st_mode) != item.kind:
        return ["kind"]
    found = []
    if item.kind == inode.FILE and stat.st_size != facts[inode.SIZE]:
        found.append("size")
    follows = inode.HARDLINK in notes  # the first name tells what all names of an inode share
    if item.kind == inode.LINK and not follows and os.readlink(name, dir_fd=dir_fd) != notes.get(inode.SYMLINK):
        found.append("symlink target")
    if inode.DEVICE in notes and inode.device_of(stat) != list(notes[inode.DEVICE]):
        found.append("device")
    if stat.st_mtime_ns != facts[inode.MTIME]:
        found.append("mtime")
    if item.kind != inode.LINK and stat.st_mode & 0o7777 != dresser.mode(facts):
        found.append("mode")
    if dresser.chowns and (stat.st_uid, stat.st_gid) != dresser.owner(facts):
        found.append("owner")
    if not follows and _xattrs_now(name, dir_fd, dresser) != [list(pair) for pair in dresser.wanted_xattrs(notes)]:
        found.append("attributes")
    return found


def doubtful(item: Item, stat: os.stat_result) -> bool:
    """Whether a file may hold other content under the size and mtime of an item: anybody may set an mtime.

    Not where it still is the inode that was saved, and nothing was done to that since: nobody can set a ctime.
    """
    notes = notes_of(item)
    if item.kind != inode.FILE or inode.HARDLINK in notes:
        return False
    facts = notes[inode.FACTS]
    return stat.st_ino != facts[inode.INO] or stat.st_ctime_ns != facts[inode.CTIME] or inode.UNSETTLED in notes


def same_content(stat: os.stat_result, item: Item) -> bool:
    """Whether an entry has the kind, size and mtime of an item."""
    facts = notes_of(item)[inode.FACTS]
    return (
        inode.kind_of(stat.st_mode) == item.kind
        and stat.st_mtime_ns == facts[inode.MTIME]
        and (item.kind != inode.FILE or stat.st_size == facts[inode.SIZE])
    )


def _xattrs_now(name: bytes, dir_fd: int, dresser: Dresser) -> inode.Xattrs:
    return [pair for pair in inode.xattrs_of_name(name, dir_fd) if dresser.keeps(pair[0])]
