"""Hard links: joined to their first name once that one is there, else given a copy of its content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import Action
from holdfast.model.snapshot import Item
from holdfast.sources.base import Manifest
from holdfast.sources.files import inode
from holdfast.sources.files.ladder import open_beneath
from holdfast.sources.files.names import ROOT, parent
from holdfast.sources.files.restore.compare import same_content
from holdfast.sources.files.restore.dress import Dresser
from holdfast.sources.files.restore.temporary import temporary_name
from holdfast.sources.files.restore.write import Writer, take_name

Failed = Callable[[Item, OSError | HoldfastError], None]


class Joining:
    """Makes links. Those whose first name is not complete yet wait for the end."""

    def __init__(self, root_fd: int, manifest: Manifest, writer: Writer, dresser: Dresser, failed: Failed) -> None:
        self._root_fd = root_fd
        self._manifest = manifest
        self._writer = writer
        self._dresser = dresser
        self._failed = failed
        self._waiting: list[tuple[Item, Action]] = []
        self._stand_in: dict[bytes, bytes] = {}

    def later(self, item: Item, action: Action) -> None:
        """Keep for ``finish``."""
        self._waiting.append((item, action))

    def at_once(self, dir_fd: int, name: bytes, item: Item) -> bool:
        """Link now if the first name is complete; False otherwise."""
        try:
            self._link(dir_fd, name, item, Action.CREATE)
        except OSError:
            return False
        return True

    def finish(self, dressed: Callable[[bytes], bool]) -> int:
        """Make the links that waited, then the times of their folders right again. Returns how many were made."""
        made, folders = 0, set()
        for item, action in self._waiting:
            try:
                dir_fd = open_beneath(self._root_fd, item.name.rpartition(b"/")[0])
                try:
                    self._join(dir_fd, item, action)
                finally:
                    os.close(dir_fd)
            except (OSError, HoldfastError) as error:
                self._failed(item, error)
                continue
            made += 1
            folders.add(parent(item.name))
        self.redress(folder for folder in sorted(folders, reverse=True) if dressed(folder))
        return made

    def redress(self, folders: Iterable[bytes]) -> None:
        """Make the metadata of folders right again after something in them changed."""
        for name in folders:
            item = self._manifest.item(name)
            if item is None or item.kind != inode.DIR:
                continue
            try:
                self._redress(item)
            except OSError as error:
                self._failed(item, error)

    def _join(self, dir_fd: int, item: Item, action: Action) -> None:
        name = item.name.rpartition(b"/")[2]
        try:
            self._link(dir_fd, name, item, action)
        except FileNotFoundError:
            self._copy(dir_fd, name, item, action)

    def _link(self, dir_fd: int, name: bytes, item: Item, action: Action) -> None:
        first: bytes = (item.notes or {})[inode.HARDLINK]
        folder, _, base = self._stand_in.get(first, first).rpartition(b"/")
        source = open_beneath(self._root_fd, folder)
        try:
            if not same_content(os.stat(base, dir_fd=source, follow_symlinks=False), item):
                raise FileNotFoundError(2, "what has the first name is something else")
            target = name if action is Action.CREATE else temporary_name()
            os.link(base, target, src_dir_fd=source, dst_dir_fd=dir_fd, follow_symlinks=False)
        finally:
            os.close(source)
        if target != name:
            take_name(target, name, dir_fd, replace=True)

    def _copy(self, dir_fd: int, name: bytes, item: Item, action: Action) -> None:
        """The first name was not restored (not chosen, or something else stands there): this one gets its content."""
        first = (item.notes or {})[inode.HARDLINK]
        original = self._manifest.item(first)
        if original is None or original.kind != item.kind or inode.HARDLINK in (original.notes or {}):
            raise FileNotFoundError(2, "its first name is not in the snapshot")
        temporary, _ = self._writer.beside(dir_fd, original)
        take_name(temporary, name, dir_fd, replace=action is not Action.CREATE)
        self._stand_in[first] = item.name

    def _redress(self, item: Item) -> None:
        fd = open_beneath(self._root_fd, b"" if item.name == ROOT else item.name)
        try:
            self._dresser.again(fd, item.notes or {})
        finally:
            os.close(fd)
