"""A store in a directory: every object a file, complete and on disk before anybody can see it.

``ROOT/packs/…`` holds the object ``packs/…``; ``ROOT/tmp+``, which no object can be called, holds files that
are being written. Directories right below the root stay; deeper ones go with their last object.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageError, StorageFull
from holdfast.storage.base import Buffer, Stat, Traits
from holdfast.storage.names import check_name, check_prefix, check_range, is_name
from holdfast.system import files

_TEMPORARY = "tmp+"
_STALE_SECONDS = 86400
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_PASSING = (errno.EAGAIN, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.EINTR)


class LocalStorage:
    """Objects as read-only files below ``root``, which the first write creates.

    ``ways`` are the calls that may publish a finished file, best first; the default suits every file system.
    """

    def __init__(self, root: str | os.PathLike[str], *, ways: Sequence[files.Publish] = files.WAYS) -> None:
        self._root = os.path.abspath(root)
        self._ways = ways
        self._settled: set[str] = set()  # directories whose own entry is known to be on disk
        self._lock = threading.Lock()
        self._swept = False

    def __repr__(self) -> str:
        return f"LocalStorage({self._root!r})"

    @property
    def url(self) -> str:
        """The absolute path of the directory."""
        return self._root

    @property
    def traits(self) -> Traits:
        """Local; a few threads saturate a disk."""
        return Traits(local=True, parallel=4)

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        check_name(name)
        with self._translated("write", name):
            if os.path.lexists(f"{self._root}/{name}"):  # spares writing what would be refused
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            temporary = self._new_temporary()
            files.create_filled(temporary, memoryview(data).cast("B"), 0o400)
            try:
                self._publish(temporary, name)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
            self._settle(name)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage. Opens, reads, closes: microseconds on a local disk, and no deleted object lingers."""
        check_name(name)
        check_range(offset, length)
        with self._translated("read", name):
            fd = os.open(f"{self._root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                status = os.fstat(fd)
                if not stat.S_ISREG(status.st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                rest = max(status.st_size - offset, 0)
                return files.read_range(fd, offset, rest if length is None else min(length, rest))
            finally:
                os.close(fd)

    def stat(self, name: str) -> Stat:
        """See Storage."""
        check_name(name)
        with self._translated("read", name):
            status = os.stat(f"{self._root}/{name}")
            if not stat.S_ISREG(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return Stat(name, status.st_size, status.st_mtime)

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        check_prefix(prefix)
        return self._walk(prefix)

    def delete(self, name: str) -> None:
        """See Storage."""
        check_name(name)
        path = f"{self._root}/{name}"
        folder = os.path.dirname(path)
        with self._translated("delete", name):
            # Gone already? Still flushed below, for whoever removed it may have crashed before that.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                os.unlink(path)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                files.fsync_directory(folder)
            if name.count("/") > 1:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)

    def free_space(self) -> int | None:
        """Bytes free to this user on the file system; a quota below that is not seen."""
        path = self._root
        while not os.path.exists(path) and path != "/":
            path = os.path.dirname(path)
        with self._translated("measure", ""):
            status = os.statvfs(path)
            return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Nothing is held open."""

    def _new_temporary(self) -> str:
        folder = f"{self._root}/{_TEMPORARY}"
        if not self._swept or not os.path.isdir(folder):
            files.make_directories(folder)
            self._sweep(folder)
        return f"{folder}/{os.getpid()}-{secrets.token_hex(8)}"

    def _sweep(self, folder: str) -> None:
        """Remove what writers that died more than a day ago, by the store's own clock, left half-written."""
        with self._lock:
            if self._swept:
                return
            self._swept = True
        mark = f"{folder}/{os.getpid()}-{secrets.token_hex(8)}"
        files.create_filled(mark, memoryview(b""), 0o600)
        old = os.stat(mark).st_mtime - _STALE_SECONDS
        os.unlink(mark)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == files.LOCK:
                    continue
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    if entry.stat(follow_symlinks=False).st_mtime < old:
                        os.unlink(entry.path)

    def _publish(self, temporary: str, name: str) -> None:
        """Give the object its name; its folder may be removed by a delete of the last neighbour meanwhile."""
        target = f"{self._root}/{name}"
        for attempt in range(5):
            try:
                return files.publish_new(temporary, target, self._ways)
            except FileNotFoundError:
                if attempt == 4 or not os.path.exists(temporary):
                    raise
                self._make_folders(name)
        return None

    def _make_folders(self, name: str) -> None:
        """Every directory above the object, for the owner only; _settle flushes them."""
        path = self._root
        for part in name.split("/")[:-1]:
            path = f"{path}/{part}"
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)

    def _settle(self, name: str) -> None:
        """Flush every directory between the object and the root.

        A deeper one may have been made by a neighbour who has not flushed it yet, after a delete removed the
        one we knew: only the directories that are never removed are remembered.
        """
        folder = os.path.dirname(name)
        while folder:
            files.fsync_directory(f"{self._root}/{folder}")
            top, folder = folder, os.path.dirname(folder)
            if not folder and top in self._settled:
                return
        files.fsync_directory(self._root)
        if "/" in name:
            self._settled.add(name.split("/", 1)[0])

    def _walk(self, prefix: str) -> Iterator[Stat]:
        pending = [prefix]
        while pending:
            folder = pending.pop()
            with self._translated("list", folder):
                found, deeper = _scan(self._root, folder)
            pending.extend(deeper)
            yield from found

    @contextlib.contextmanager
    def _translated(self, verb: str, name: str) -> Iterator[None]:
        where = f"{self._root}/{name}".rstrip("/")
        try:
            yield
        except FileExistsError as error:
            raise ObjectExists("the object exists already", where=where) from error
        except OSError as error:
            raise _explain(error, verb, where) from error


def _scan(root: str, folder: str) -> tuple[list[Stat], list[str]]:
    """Objects right in ``folder``, and the folders in it; what is not named like an object is not ours."""
    found: list[Stat] = []
    deeper: list[str] = []
    try:
        entries = os.scandir(f"{root}/{folder}")
    except (FileNotFoundError, NotADirectoryError):  # a store never written to, or a folder gone meanwhile
        return found, deeper
    with entries:
        for entry in entries:
            name = folder + entry.name
            if not is_name(name):
                continue
            if entry.is_dir():
                deeper.append(f"{name}/")
            else:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    found.append(Stat(name, status.st_size, status.st_mtime))
    return found, deeper


def _explain(error: OSError, verb: str, where: str) -> StorageError:
    why = error.strerror or str(error)
    missing = isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError)
    if missing and verb == "read":
        return ObjectMissing("there is no such object", where=where)
    if error.errno in _FULL:
        return StorageFull(
            f"cannot {verb}: no space left",
            where=where,
            why=why,
            hint="free space or raise the quota; `holdfast forget` and `holdfast prune --now` free what snapshots held",
        )
    if error.errno in _REFUSED:
        return StorageError(
            f"cannot {verb}: not allowed here",
            where=where,
            why=why,
            hint="give the user who runs holdfast access to the repository folder (`ls -ld` shows its owner)",
        )
    if error.errno == errno.EXDEV:
        return StorageError(
            f"cannot {verb}: the repository spans two file systems",
            where=where,
            why=why,
            hint="keep the whole repository folder on one file system; move or link the folder as a whole",
        )
    return StorageError(f"cannot {verb} the object", where=where, why=why, retryable=error.errno in _PASSING)
