"""Reading a restored tree back: every inode and every byte compared with the snapshot."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import ItemResult
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.files import inode
from holdfast.sources.files.ladder import open_beneath
from holdfast.sources.files.names import ROOT
from holdfast.sources.files.restore.compare import differences
from holdfast.sources.files.restore.contrast import first_difference
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.intent import LISTED
from holdfast.sources.files.restore.obstacle import blemish, obstacle

_JOBS = 64


class Verifier:
    """Compares items with what stands below an open root."""

    def __init__(self, root_fd: int, content: Content, dresser: Dresser) -> None:
        self._root_fd = root_fd
        self._content = content
        self._dresser = dresser

    def run(self, items: Iterable[Item], width: int) -> list[ItemResult]:
        """One result for each item; in a large tree one for each that differs and one for all that do not."""
        results: list[ItemResult] = []
        unlisted = 0
        for result in self._all(iter(items), width):
            if result.status == "ok" and len(results) >= LISTED:
                unlisted += 1
            else:
                results.append(result)
        if unlisted:
            results.append(ItemResult(
                name=f"{unlisted} more", action="verify", rows=None, status="ok", detail="equal to the snapshot"
            ))
        return results

    def _all(self, items: Iterator[Item], width: int) -> Iterator[ItemResult]:
        flying: deque[Future[list[ItemResult]]] = deque()
        with ThreadPoolExecutor(max(1, width), "verify") as pool:
            while batch := list(islice(items, _JOBS)):
                self._content.prefetch([segment for item in batch for segment in item.segments])
                flying.append(pool.submit(self._batch, batch))
                if len(flying) > 2 * width:
                    yield from flying.popleft().result()
            while flying:
                yield from flying.popleft().result()

    def _batch(self, items: list[Item]) -> list[ItemResult]:
        results = []
        at, fd = b"", os.dup(self._root_fd)
        try:
            for item in items:
                above, _, name = item.name.rpartition(b"/") if item.name != ROOT else (b"", b"", b".")
                try:
                    if above != at:
                        deeper = open_beneath(self._root_fd, above)
                        os.close(fd)
                        at, fd = above, deeper
                    status, detail = self._one(item, name, fd)
                except OSError as error:
                    status, detail = "failed", f"could not be read back: {os.strerror(error.errno or 0)}"
                except HoldfastError as error:
                    status, detail = "failed", error.what
                results.append(ItemResult(name=item.label, action="verify", rows=None, status=status, detail=detail))
        finally:
            os.close(fd)
        return results

    def _one(self, item: Item, name: bytes, dir_fd: int) -> tuple[str, str]:
        trouble = obstacle(item, privileged=self._dresser.privileged)
        if trouble is not None:
            return trouble.status, trouble.why
        stat = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        unsaved = blemish(item)
        found = differences(item, stat, name, dir_fd, self._dresser)
        if item.kind == inode.FILE and inode.HARDLINK not in (item.notes or {}) and found != ["kind"]:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
            try:
                wrong = first_difference(
                    fd, item, (block for segment in item.segments for block in self._content.blocks(segment))
                )
            finally:
                os.close(fd)
            if wrong is not None:
                found.insert(0, f"content differs at byte {wrong}")
        if found and not unsaved:
            return "failed", ", ".join(found)
        return ("incomplete", unsaved) if unsaved else ("ok", "")
