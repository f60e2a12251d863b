"""One entry that is new or changed, turned into a piece: its bytes, its inode, and what went wrong with it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from holdfast.model.snapshot import Item, Notes, Segment
from holdfast.sources.base import Block, Cut, Piece, PieceResult
from holdfast.sources.files import inode
from holdfast.sources.files.links import Links
from holdfast.sources.files.losses import VANISHED, Losses, reason
from holdfast.sources.files.read import (
    AT_ONCE,
    BLOCK,
    SMALL,
    data_extents,
    is_sparse,
    open_file,
    read_at_once,
    same,
    spans,
)
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.walk import IFMT, Visit

_CHANGED = "changed while it was being read; what was saved may mix old and new content"
_REGULAR = 0o100000
_FOLDER = 0o040000


class Pieces:
    """Reads entries. Nothing that goes wrong with one of them stops the others."""

    def __init__(self, rules: Rules, links: Links, losses: Losses) -> None:
        self._rules = rules
        self._links = links
        self._losses = losses
        self._stream: _Stream | None = None
        self._buffer = bytearray()

    def close(self) -> None:
        """Let go of the file being read."""
        if self._stream is not None:
            self._stream.close()

    def folder(self, visit: Visit, own_fd: int, trouble: OSError | None, *, entered: bool) -> Piece:
        """A folder's own item."""
        path, _, stat, _ = visit
        notes = self._notes(stat)
        if own_fd >= 0:
            try:
                _add_xattrs(notes, inode.xattrs_of_fd(own_fd))
            except OSError as error:
                trouble = error
        if trouble is not None:
            self._break(path, notes, trouble)
        elif not entered:
            notes[inode.MOUNT] = True
        return Piece(item=path, kind=inode.DIR, item_notes=notes)

    def other(self, visit: Visit, old: Item | None) -> Piece | None:
        """Anything but a folder; None when it vanished. Looked at afresh once when it changes under the reader."""
        path, name, stat, dir_fd = visit
        piece = self._attempt(visit, old, last=False)
        if piece is not None:
            return piece
        try:
            stat = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except OSError as error:
            self._losses.failed(path, error)
            return None
        if stat.st_mode & IFMT == _FOLDER:
            self._losses.say(path, "was replaced by a folder while the tree was being read")
            return None
        return self._attempt((path, name, stat, dir_fd), old, last=True)

    def _attempt(self, visit: Visit, old: Item | None, *, last: bool) -> Piece | None:
        """None: it is not what it was, look again (or, the last time, it is gone and was reported)."""
        path, name, stat, dir_fd = visit
        piece: Piece | None
        linked = stat.st_nlink > 1
        if linked and (first := self._links.first(stat)) is not None:
            self._links.met(stat, path)
            notes = self._notes(stat)
            notes[inode.HARDLINK] = first
            return Piece(item=path, kind=inode.kind_of(stat.st_mode), item_notes=notes)
        try:
            if stat.st_mode & IFMT != _REGULAR:
                piece = self._special(path, name, stat, dir_fd)
            elif stat.st_size < AT_ONCE:
                piece = self._at_once(visit, old, last=last)
            else:
                piece = self._streamed(visit, old)
        except OSError as error:
            if not last:
                return None
            if error.errno in VANISHED:
                self._losses.failed(path, error)
                return None
            notes = self._notes(stat)
            self._break(path, notes, error)
            return Piece(item=path, kind=inode.kind_of(stat.st_mode), item_notes=notes)
        if linked and piece is not None:
            self._links.met(stat, path)
        return piece

    def _special(self, path: bytes, name: bytes, stat: os.stat_result, dir_fd: int) -> Piece:
        kind = inode.kind_of(stat.st_mode)
        notes = self._notes(stat)
        if kind == inode.LINK:
            notes[inode.SYMLINK] = os.readlink(name, dir_fd=dir_fd)
        elif kind in (inode.CHARDEV, inode.BLOCKDEV):
            notes[inode.DEVICE] = inode.device_of(stat)
        _add_xattrs(notes, inode.xattrs_of_name(name, dir_fd))
        return Piece(item=path, kind=kind, item_notes=notes)

    def _at_once(self, visit: Visit, old: Item | None, *, last: bool) -> Piece | None:
        path, name, stat, dir_fd = visit
        read_ns = time.time_ns()
        got = read_at_once(name, dir_fd, stat)
        if not got.steady and not last:
            return None
        notes = self._notes(got.after, read_ns)
        _add_xattrs(notes, got.xattrs)
        if got.extents is not None:
            notes[inode.EXTENTS] = got.extents
        if not got.steady:
            if got.extents is None:
                notes[inode.FACTS][inode.SIZE] = len(got.data)
            self._mark_changed(path, notes)
        if not got.data:
            return Piece(item=path, kind=inode.FILE, item_notes=notes)
        cut = Cut.STREAM if len(got.data) < SMALL else Cut.WHOLE
        return Piece(
            item=path, kind=inode.FILE, blocks=(got.data,), cut=cut, item_notes=notes,
            base=_base(old) if cut is Cut.WHOLE else None,
        )

    def _streamed(self, visit: Visit, old: Item | None) -> Piece:
        path, name, stat, dir_fd = visit
        self.close()
        if not self._buffer:
            self._buffer = bytearray(BLOCK)
        self._stream = first = _Stream(open_file(name, dir_fd), stat, self._buffer)

        def result() -> PieceResult:
            """The notes as they are once the bytes were read; other bytes when these were not steady."""
            stream = self._stream
            if stream is first and stream.unsteady() and (again := self._reopened(visit)) is not None:
                stream.close()
                self._stream = again
                return PieceResult(again=again)
            return PieceResult(notes=self._after_stream(path, stream or first))

        return Piece(
            item=path, kind=inode.FILE, blocks=first, cut=Cut.WHOLE, base=_base(old), result=result,
            item_notes=self._notes(stat),
        )

    def _reopened(self, visit: Visit) -> _Stream | None:
        """The file as it is now, for a second reading; None when it is no such file any more."""
        _, name, before, dir_fd = visit
        try:
            stat = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            if stat.st_mode & IFMT != _REGULAR or (stat.st_ino != before.st_ino and stat.st_nlink > 1):
                return None
            return _Stream(open_file(name, dir_fd), stat, self._buffer)
        except OSError:
            return None

    def _after_stream(self, path: bytes, stream: _Stream) -> Notes:
        notes = self._notes(stream.stat, stream.read_ns)
        trouble = stream.trouble
        try:
            after = os.fstat(stream.fd)
            _add_xattrs(notes, inode.xattrs_of_fd(stream.fd))
        except OSError as error:
            trouble = trouble or error
        else:
            if trouble is None and (not same(stream.stat, after) or stream.missing):
                self._mark_changed(path, notes)
        stream.close()
        if stream.extents is not None:
            notes[inode.EXTENTS] = stream.extents
        else:
            notes[inode.FACTS][inode.SIZE] -= stream.missing
        if trouble is not None:
            self._break(path, notes, trouble)
        return notes

    def _notes(self, stat: os.stat_result, read_ns: int | None = None) -> Notes:
        facts = inode.facts_of(stat)
        notes: Notes = {inode.FACTS: facts}
        if not self._rules.settled(facts[inode.CTIME], read_ns or time.time_ns()):
            notes[inode.UNSETTLED] = True
        return notes

    def _mark_changed(self, path: bytes, notes: Notes) -> None:
        notes[inode.CHANGED] = notes[inode.UNSETTLED] = True
        self._losses.say(path, _CHANGED)

    def _break(self, path: bytes, notes: Notes, error: OSError) -> None:
        notes[inode.BROKEN] = reason(error)
        notes[inode.UNSETTLED] = True
        self._losses.failed(path, error)


class _Stream:
    """The blocks of a file too large for memory; a read error ends them early and is told afterwards."""

    def __init__(self, fd: int, stat: os.stat_result, buffer: bytearray) -> None:
        self.fd = fd
        self.stat = stat
        self.read_ns = time.time_ns()
        self.extents: list[int] | None = None
        self.trouble: OSError | None = None
        self.missing = stat.st_size
        self._buffer = buffer

    def __iter__(self) -> Iterator[Block]:
        try:
            if is_sparse(self.stat):
                self.extents = data_extents(self.fd, self.stat.st_size)
            wanted = [0, self.stat.st_size] if self.extents is None else self.extents
            self.missing = sum(wanted[1::2])
            with contextlib.suppress(OSError):
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            for block in spans(self.fd, wanted, self._buffer):
                self.missing -= len(block)
                yield block
        except OSError as error:
            self.trouble = error

    def unsteady(self) -> bool:
        """Whether the file changed while its blocks were handed out."""
        return self.trouble is None and (self.missing != 0 or not same(self.stat, os.fstat(self.fd)))

    def close(self) -> None:
        """Give the descriptor back; harmless when repeated."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _add_xattrs(notes: Notes, xattrs: inode.Xattrs) -> None:
    if xattrs:
        notes[inode.XATTRS] = xattrs


def _base(old: Item | None) -> Segment | None:
    """What a new version is compared with: the whole file, also where it is stored in several segments."""
    if old is None or not old.segments:
        return None
    if len(old.segments) == 1:
        return old.segments[0]
    return Segment("", 0, old.size, [piece for segment in old.segments for piece in segment.slices])
