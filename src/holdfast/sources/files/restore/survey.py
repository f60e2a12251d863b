"""Deciding what a restore would do, by reading alone: the snapshot and the target walked side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import Action
from holdfast.model.snapshot import Item
from holdfast.sources.base import Manifest, RestoreRequest
from holdfast.sources.files import inode
from holdfast.sources.files.names import ROOT, below, order_key
from holdfast.sources.files.only import Only, with_parents
from holdfast.sources.files.restore.compare import CONTENT, differences, doubtful
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.extras import Extras
from holdfast.sources.files.restore.intent import Draft, shown_size
from holdfast.sources.files.restore.obstacle import blemish, obstacle
from holdfast.sources.files.restore.temporary import is_leftover
from holdfast.sources.files.walk import IFMT, Visit, Walk

_FOLDER = 0o040000
_DOUBT = "rewritten if its content differs"
_UNKNOWN = "content could not be compared"

Equal = Callable[[bytes, int, Item], bool]
"""Whether the file of that name in that open folder holds exactly the item's content."""


def chosen_items(manifest: Manifest, only: Only) -> Iterator[tuple[Item, bool]]:
    """The items to restore, each folder before what lies in it; False marks folders only on the way."""
    if not only.limited and not only.unmatched:
        return ((item, True) for item in manifest.items())
    return with_parents(((item.name, item) for item in manifest.items()), only)


def survey_fresh(items: Iterator[tuple[Item, bool]], dresser: Dresser, listed: int) -> Draft:
    """Everything is made. Steps beyond ``listed`` are only counted."""
    draft = Draft()
    for item, _ in items:
        trouble = obstacle(item, privileged=dresser.privileged)
        if trouble is not None:
            draft.block(item, trouble.status, trouble.why)
        elif len(draft.steps) < listed:
            draft.add(item, Action.CREATE, blemish(item))
        else:
            draft.count(Action.CREATE, shown_size(item))
    return draft


class Survey:
    """One comparison of a snapshot with the tree that stands in the target.

    ``equal`` None: content is not read, and what its times do not tell stays open until the restore.
    """

    def __init__(self, request: RestoreRequest, dresser: Dresser, extras: Extras, equal: Equal | None) -> None:
        self.draft = Draft()
        self.extras = extras
        self._request = request
        self._dresser = dresser
        self._equal = equal
        self._shut = b""
        self._firsts: dict[bytes, tuple[int, int] | None] = {}

    def run(self, items: Iterator[tuple[Item, bool]], walk: Walk) -> None:
        """Walk both to the end."""
        visits = iter(walk)
        visit = next(visits, None)
        for item, chosen in items:
            key = order_key(item.name)
            while visit is not None and order_key(visit[0]) < key:
                walk.enter = self._extra(visit)
                visit = next(visits, None)
            if visit is not None and visit[0] == item.name:
                self._both(item, visit, walk, chosen=chosen)
                visit = next(visits, None)
            else:
                self._missing(item)
        while visit is not None:
            walk.enter = self._extra(visit)
            visit = next(visits, None)
        self.extras.finish()

    def _extra(self, visit: Visit) -> bool:
        """An entry that is not in the snapshot; returns whether to look into it."""
        if visit[2].st_mode & IFMT != _FOLDER and is_leftover(visit[1]):
            self.draft.leftovers.append(visit[0])
            return False
        return self.extras.consider(visit)

    def _missing(self, item: Item) -> None:
        trouble = obstacle(item, privileged=self._dresser.privileged)
        if trouble is not None:
            self.draft.block(item, trouble.status, trouble.why)
        elif self._shut and below(item.name, self._shut):
            self.draft.block(item, "failed", "a folder above it is something else in the target")
        else:
            self.draft.add(item, Action.CREATE, blemish(item))
            self._remember(item, None)

    def _both(self, item: Item, visit: Visit, walk: Walk, *, chosen: bool) -> None:
        folder_now = visit[2].st_mode & IFMT == _FOLDER
        folder_then = item.kind == inode.DIR
        trouble = obstacle(item, privileged=self._dresser.privileged)
        if trouble is not None or not chosen:
            if folder_then and not folder_now:
                self._shut = item.name
            self._leave(item, visit)
        elif not self._request.overwrite:
            if folder_then and not folder_now:
                self._shut = item.name
            self._look(item, visit)
        elif folder_now and not folder_then:
            self._folder_in_the_way(item, visit, walk)
        elif folder_then and not folder_now:
            self.draft.add(item, Action.REPLACE, "not a folder now")
        else:
            self._compare(item, visit)
        if folder_then and folder_now and item.name != ROOT:
            notes = item.notes or {}
            self.extras.inside(visit, whole=not (inode.BROKEN in notes or inode.MOUNT in notes))

    def _folder_in_the_way(self, item: Item, visit: Visit, walk: Walk) -> None:
        if not self._request.exact:
            walk.enter = False
            self.draft.block(item, "failed", "a folder stands there now; --exact removes it")
            return
        walk.enter = self.extras.consider(visit)
        if walk.enter:
            self.draft.add(item, Action.REPLACE, "a folder now, removed with what is in it")
        else:
            self.draft.block(item, "failed", "a folder stands there now that must not be removed")

    def _compare(self, item: Item, visit: Visit) -> None:
        _, name, stat, dir_fd = visit
        if blemish(item) and item.kind == inode.FILE:
            self._leave(item, visit)
            return
        found = differences(item, stat, name, dir_fd, self._dresser)
        found += self._unlinked(item, stat)
        found += self._within(item, visit, found)
        whole = item.kind == inode.FILE and not CONTENT.isdisjoint(found)
        if found:
            self.draft.add(item, Action.OVERWRITE, ", ".join(found))
        else:
            self.draft.count(Action.LEAVE)
        self._remember(item, None if whole else stat)

    def _look(self, item: Item, visit: Visit) -> None:
        """Nothing is overwritten, but what differs is told. A folder's mtime is not: it moves with its content."""
        _, name, stat, dir_fd = visit
        if blemish(item):
            self._leave(item, visit)
            return
        found = differences(item, stat, name, dir_fd, self._dresser)
        found += self._within(item, visit, found)
        if item.kind == inode.DIR:
            found = [what for what in found if what != "mtime"]
        if found:
            self.draft.leave_differing(item, found)
        else:
            self.draft.count(Action.LEAVE)
        self._remember(item, stat)

    def _within(self, item: Item, visit: Visit, found: list[str]) -> list[str]:
        """What only reading a file tells, where nothing else told that it is another one."""
        _, name, stat, dir_fd = visit
        if item.kind != inode.FILE or inode.HARDLINK in (item.notes or {}) or not CONTENT.isdisjoint(found):
            return []
        if self._request.verify != "content" and not doubtful(item, stat):
            return []
        if self._equal is None:
            return [_DOUBT] if self._request.overwrite else []
        try:
            return [] if self._equal(name, dir_fd, item) else ["content"]
        except (OSError, HoldfastError):
            return [_UNKNOWN]

    def _unlinked(self, item: Item, stat: os.stat_result) -> list[str]:
        """Whether a hard link of the snapshot is one here."""
        first = (item.notes or {}).get(inode.HARDLINK)
        if first is None or first not in self._firsts:
            return []
        return [] if self._firsts[first] == (stat.st_dev, stat.st_ino) else ["hard link"]

    def _leave(self, item: Item, visit: Visit) -> None:
        self.draft.count(Action.LEAVE)
        self._remember(item, visit[2])

    def _remember(self, item: Item, stat: os.stat_result | None) -> None:
        """Which inode a first name is in the target; None: it will be a new one."""
        facts = (item.notes or {}).get(inode.FACTS, ())
        if len(facts) > inode.SIZE and facts[inode.NLINK] > 1 and item.kind != inode.DIR:
            self._firsts[item.name] = (stat.st_dev, stat.st_ino) if stat is not None else None
