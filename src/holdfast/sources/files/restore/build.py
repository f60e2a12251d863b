"""The whole tree put on disk: one thread walks the folders, the others fill them.

A folder's own metadata comes after its content, since writing into it moves its times, and a read-only folder
takes no files.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import Action
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.files import inode
from holdfast.sources.files.ladder import Ladder, open_folder
from holdfast.sources.files.names import ROOT, below
from holdfast.sources.files.restore.batch import Batch, BatchWriter
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.folder import Folder
from holdfast.sources.files.restore.joining import Joining
from holdfast.sources.files.restore.obstacle import obstacle
from holdfast.sources.files.restore.outcome import Outcome

# Small files share chunks: two threads that write files out of one chunk would both unpack it.
_FEW_JOBS = 32
_JOBS = 512
_BYTES = 4 << 20
_MOVED = "a folder above it could not be made"

Done = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who does what in one restore. ``actions`` None: the place is fresh and every item is made."""

    actions: dict[bytes, Action] | None
    content: Content
    dresser: Dresser
    batches: BatchWriter
    joining: Joining
    outcome: Outcome
    width: int


class Builder:
    """Builds one tree below an open root."""

    def __init__(self, root_fd: int, crew: Crew) -> None:
        root = Folder(os.dup(root_fd), b"", fresh=False)
        self._ladder = Ladder(root)
        self._here: Folder = root
        self._crew = crew
        self._lock = threading.Lock()
        self._batch = Batch()
        self._flying: deque[Future[None]] = deque()
        self._dead = b""

    def run(self, items: Iterable[Item]) -> None:
        """Make all items, in manifest order. TargetError when going on makes no sense."""
        with ThreadPoolExecutor(max(1, self._crew.width), "restore") as pool:
            try:
                for item in items:
                    self._one(item, pool)
                self._send(pool)
                self._land(0)
                self._go(b"")
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                self._ladder.close()
        crew = self._crew
        crew.outcome.add(crew.joining.finish(self._dressed))

    def finish_root(self, item: Item | None, root_fd: int) -> None:
        """The root's own metadata, last of all."""
        if item is not None and self._dressed(ROOT):
            said = self._crew.dresser.again(root_fd, item.notes or {})
            if said:
                self._crew.outcome.say(ROOT, "incomplete", said)

    def _dressed(self, folder: bytes) -> bool:
        actions = self._crew.actions
        return actions is None or actions.get(folder) in (Action.CREATE, Action.OVERWRITE, Action.REPLACE)

    def _one(self, item: Item, pool: ThreadPoolExecutor) -> None:
        crew = self._crew
        action = Action.CREATE if crew.actions is None else crew.actions.get(item.name, Action.LEAVE)
        if action is Action.LEAVE or item.name == ROOT:
            return
        trouble = obstacle(item, privileged=crew.dresser.privileged)
        if trouble is not None:
            crew.outcome.say(item.name, trouble.status, trouble.why)
            return
        if self._dead and below(item.name, self._dead):
            crew.outcome.say(item.name, "failed", _MOVED)
            return
        above, _, name = item.name.rpartition(b"/")
        try:
            self._go(above)
            if item.kind == inode.DIR:
                self._enter(item, name, action)
            else:
                self._hand_over(item, name, action, pool)
        except OSError as error:
            if item.kind == inode.DIR:
                self._dead = item.name
            crew.batches.failed(item, error)

    def _hand_over(self, item: Item, name: bytes, action: Action, pool: ThreadPoolExecutor) -> None:
        crew = self._crew
        if item.notes is not None and inode.HARDLINK in item.notes:
            if crew.actions is not None or not crew.joining.at_once(self._here.fd, name, item):
                crew.joining.later(item, action)
            return
        batch = self._batch
        chunk = item.segments[0].slices[0].chunk if item.segments and item.segments[0].slices else batch.chunk
        if len(batch.jobs) >= _FEW_JOBS and chunk != batch.chunk:
            self._send(pool)
            batch = self._batch
        batch.chunk = chunk
        batch.jobs.append((self._here, name, item, action))
        self._here.pending += 1
        for segment in item.segments:
            batch.size += segment.size
        if len(batch.jobs) >= _JOBS or batch.size >= _BYTES:
            self._send(pool)

    def _send(self, pool: ThreadPoolExecutor) -> None:
        """Give the batch to a thread; wait when enough of them are on their way."""
        batch, self._batch = self._batch, Batch()
        if not batch.jobs:
            return
        self._crew.content.prefetch([segment for _, _, item, _ in batch.jobs for segment in item.segments])
        self._flying.append(pool.submit(self._work, batch))
        self._land(2 * self._crew.width)

    def _land(self, allowed: int) -> None:
        while len(self._flying) > allowed:
            self._flying.popleft().result()

    def _work(self, batch: Batch) -> None:
        self._crew.batches.write(batch)
        complete = []
        with self._lock:
            for folder, *_ in batch.jobs:
                folder.pending -= 1
                if folder.left and not folder.pending:
                    complete.append(folder)
        for folder in complete:
            self._complete(folder)

    def _enter(self, item: Item, name: bytes, action: Action) -> None:
        """Make a folder, or open the one that is there, and stand in it."""
        fresh = action is not Action.OVERWRITE
        if action is Action.REPLACE:
            os.unlink(name, dir_fd=self._here.fd)
        if fresh:
            os.mkdir(name, 0o700, dir_fd=self._here.fd)
        folder = Folder(open_folder(name, self._here.fd), item.name, item, fresh=fresh)
        self._stand(folder)
        self._crew.outcome.add(1)
        if inode.BROKEN in (item.notes or {}):
            self._crew.outcome.say(item.name, "incomplete", f"its content was not saved: {(item.notes or {})['b']}")

    def _stand(self, folder: Folder) -> None:
        self._ladder.down(folder)
        self._here = folder

    def _go(self, path: bytes) -> None:
        """Stand in the folder ``path``, finishing those that are left."""
        here = self._here.path
        while here != path and here and not below(path, here):
            self._leave()
            here = self._here.path
        if here == path:
            return
        rest = path[len(here) + 1 :] if here else path
        for name in rest.split(b"/"):
            here = here + b"/" + name if here else name
            self._stand(Folder(open_folder(name, self._here.fd), here))

    def _leave(self) -> None:
        left = self._here
        try:
            self._ladder.up()
        finally:
            top = self._ladder.top
            assert isinstance(top, Folder)  # noqa: S101 - every rung of this ladder is made here
            self._here = top
            with self._lock:
                left.left = True
                complete = not left.pending
            if complete:
                self._complete(left)

    def _complete(self, folder: Folder) -> None:
        """Everything in the folder is written: now it may look as it did."""
        try:
            if folder.item is not None and folder.fd >= 0:
                dress = self._crew.dresser.fresh if folder.fresh and self._crew.actions is None else (
                    self._crew.dresser.again
                )
                said = dress(folder.fd, folder.item.notes or {})
                if said:
                    self._crew.outcome.say(folder.item.name, "incomplete", said)
        except (OSError, HoldfastError) as error:
            if folder.item is not None:
                self._crew.batches.failed(folder.item, error)
        finally:
            folder.close()
