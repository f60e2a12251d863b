"""A handful of consecutive entries written in one go by one thread."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.model.plans import Action
from holdfast.model.snapshot import Item
from holdfast.sources.files import inode
from holdfast.sources.files.names import printable
from holdfast.sources.files.restore.compare import CONTENT, differences, doubtful
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.durable import sync_tree
from holdfast.sources.files.restore.folder import Folder
from holdfast.sources.files.restore.obstacle import blemish
from holdfast.sources.files.restore.outcome import Outcome
from holdfast.sources.files.restore.write import Writer, take_name

_FATAL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))


@dataclass(slots=True)
class Batch:
    """Jobs in manifest order: the folder, the last part of the name, the item, what to do.

    ``chunk``: where the content of the last one begins.
    """

    jobs: list[tuple[Folder, bytes, Item, Action]] = field(default_factory=list)
    size: int = 0
    chunk: bytes = b""


class BatchWriter:
    """Writes batches. Trouble with one entry goes to the outcome; a full disk stops everything (TargetError)."""

    def __init__(self, writer: Writer, dresser: Dresser, outcome: Outcome, *, fresh: bool, compare: bool) -> None:
        self._writer = writer
        self._dresser = dresser
        self._outcome = outcome
        self._fresh = fresh
        self._compare = compare

    def write(self, batch: Batch) -> None:
        """Every entry of the batch; what replaces something is flushed before it takes the name."""
        ready: list[tuple[Folder, bytes, bytes, Item, Action]] = []
        good = 0
        for folder, name, item, action in batch.jobs:
            try:
                if self._fresh:
                    make = self._writer.fresh_file if item.kind == inode.FILE else self._writer.special
                    said = make(name, folder.fd, item)
                else:
                    said, temporary = self._in_place(folder, name, item, action)
                    if temporary:
                        ready.append((folder, temporary, name, item, action))
            except (OSError, HoldfastError) as error:
                self.failed(item, error)
                continue
            good += 1
            said = said or blemish(item)
            if said:
                self._outcome.say(item.name, "incomplete", said)
        if ready:
            self._publish(ready)
        self._outcome.add(good)

    def failed(self, item: Item, error: OSError | HoldfastError) -> None:
        """Note that an item could not be restored; raises where going on makes no sense."""
        if isinstance(error, OSError):
            if error.errno in _FATAL:
                raise TargetError(
                    "the restore stopped", where=printable(item.name), why=os.strerror(error.errno or 0),
                    hint="make room in the target, then " + (
                        "add --in-place to finish in this folder, or remove it and restore again"
                        if self._fresh else "restore again"
                    ),
                ) from error
            why = "something of that name is there already" if isinstance(error, FileExistsError) else (
                os.strerror(error.errno) if error.errno else str(error)
            )
            self._outcome.say(item.name, "failed", f"could not be written: {why}")
        else:
            self._outcome.say(item.name, "failed", " · ".join(part for part in (error.what, error.why) if part))

    def _in_place(self, folder: Folder, name: bytes, item: Item, action: Action) -> tuple[str, bytes]:
        """Mend an entry; the second value is the temporary name of one that had to be written anew."""
        if action is Action.OVERWRITE:
            try:
                stat = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
            except FileNotFoundError:
                return self._anew(folder, item)
            found = differences(item, stat, name, folder.fd, self._dresser)
            rotten = (
                CONTENT.isdisjoint(found) and item.kind == inode.FILE and (self._compare or doubtful(item, stat))
                and not self._writer.equal(name, folder.fd, item)
            )
            if CONTENT.isdisjoint(found) and not rotten:
                return (self._writer.redress(name, folder.fd, item) if found else ""), b""
        return self._anew(folder, item)

    def _anew(self, folder: Folder, item: Item) -> tuple[str, bytes]:
        temporary, said = self._writer.beside(folder.fd, item)
        return said, temporary

    def _publish(self, ready: list[tuple[Folder, bytes, bytes, Item, Action]]) -> None:
        try:
            sync_tree(ready[0][0].fd)
        except OSError as error:
            raise TargetError("the target did not accept what was written", why=str(error)) from error
        for folder, temporary, name, item, action in ready:
            try:
                take_name(temporary, name, folder.fd, replace=action is not Action.CREATE)
            except OSError as error:
                self.failed(item, error)
