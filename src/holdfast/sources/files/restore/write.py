"""Putting one entry on disk: content first under a name nobody looks at, metadata, then the name it shall have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Item, Notes
from holdfast.sources.base import Content
from holdfast.sources.files import inode
from holdfast.sources.files.restore.contrast import first_difference
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.temporary import temporary_name

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

def take_name(temporary: bytes, name: bytes, dir_fd: int, *, replace: bool) -> None:
    """Move a complete entry to its name; without ``replace`` FileExistsError when the name is taken."""
    try:
        if replace:
            os.rename(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        else:
            os.link(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
            os.unlink(temporary, dir_fd=dir_fd)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=dir_fd)
        raise
    if replace:  # renaming one link of an inode over another does nothing and leaves both
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=dir_fd)


class Writer:
    """Makes entries in an open folder. Every method returns what could not be set, "" when all is as it was."""

    def __init__(self, content: Content, dresser: Dresser) -> None:
        self._content = content
        self._dresser = dresser

    def fresh_file(self, name: bytes, dir_fd: int, item: Item) -> str:
        """A regular file in a folder that this restore made; FileExistsError when the name is taken."""
        fd = os.open(name, _CREATE, 0o600, dir_fd=dir_fd)
        try:
            self._fill(fd, item)
            return self._dresser.fresh(fd, item.notes or {})
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=dir_fd)
            raise
        finally:
            os.close(fd)

    def beside(self, dir_fd: int, item: Item) -> tuple[bytes, str]:
        """A complete entry under a temporary name in the folder, ready to be moved to its own name."""
        name = temporary_name()
        if item.kind != inode.FILE:
            return name, self.special(name, dir_fd, item)
        fd = os.open(name, _CREATE, 0o600, dir_fd=dir_fd)
        try:
            self._fill(fd, item)
            return name, self._dresser.again(fd, item.notes or {})
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=dir_fd)
            raise
        finally:
            os.close(fd)

    def special(self, name: bytes, dir_fd: int, item: Item) -> str:
        """A symlink, fifo or device; FileExistsError when the name is taken."""
        notes = item.notes or {}
        if item.kind == inode.LINK:
            os.symlink(notes[inode.SYMLINK], name, dir_fd=dir_fd)
        elif item.kind == inode.FIFO:
            os.mkfifo(name, 0o600, dir_fd=dir_fd)
        else:
            kind = 0o020000 if item.kind == inode.CHARDEV else 0o060000
            os.mknod(name, kind | 0o600, os.makedev(*notes[inode.DEVICE]), dir_fd=dir_fd)
        try:
            return self._dresser.by_name(name, dir_fd, notes)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=dir_fd)
            raise

    def redress(self, name: bytes, dir_fd: int, item: Item) -> str:
        """Only the metadata of an entry that has the right kind and content."""
        if item.kind not in (inode.FILE, inode.DIR):
            return self._dresser.by_name(name, dir_fd, item.notes or {})
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            return self._dresser.again(fd, item.notes or {})
        finally:
            os.close(fd)

    def equal(self, name: bytes, dir_fd: int, item: Item) -> bool:
        """Whether the file of that name holds exactly the item's content."""
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            return first_difference(fd, item, self._blocks(item)) is None
        finally:
            os.close(fd)

    def _fill(self, fd: int, item: Item) -> None:
        notes: Notes = item.notes or {}
        extents = notes.get(inode.EXTENTS)
        expected = sum(segment.size for segment in item.segments)
        written = _scatter(fd, self._blocks(item), extents) if extents is not None else _append(fd, self._blocks(item))
        if written != expected:
            raise TargetError(f"{written} bytes came out of the snapshot where {expected} were promised")
        size = notes[inode.FACTS][inode.SIZE]
        whole = size if extents is None else sum(extents[1::2])
        if written != whole and not (inode.BROKEN in notes or inode.CHANGED in notes):
            raise TargetError(f"the snapshot holds {written} bytes of {whole}")
        if extents is not None:
            os.ftruncate(fd, size)

    def _blocks(self, item: Item) -> Iterator[bytes]:
        for segment in item.segments:
            yield from self._content.blocks(segment)


def _append(fd: int, blocks: Iterable[bytes]) -> int:
    total = 0
    for block in blocks:
        done = os.write(fd, block)
        while done < len(block):
            done += os.write(fd, memoryview(block)[done:])
        total += done
    return total


def _scatter(fd: int, blocks: Iterable[bytes], extents: list[int]) -> int:
    """Write consecutive bytes into the extents of a sparse file; what does not fit is an error of the snapshot."""
    total, at = 0, 0
    offset, room = (extents[0], extents[1]) if extents else (0, 0)
    for block in blocks:
        view = memoryview(block)
        while view.nbytes:
            while not room:
                at += 2
                if at >= len(extents):
                    raise TargetError("the snapshot holds more bytes than its extents have room for")
                offset, room = extents[at], extents[at + 1]
            done = os.pwrite(fd, view[:room], offset)
            view, offset, room, total = view[done:], offset + done, room - done, total + done
    return total
