"""What a tree entry is besides its bytes, in the compact form that manifests keep in an item's notes.

``s`` the facts lstat gives, in the order of the constants below · ``x`` extended attributes, ACLs among them, as
[name, value] pairs · ``l`` where a symlink points · ``h`` the name that holds the content of this hard link ·
``d`` major and minor number of a device · ``e`` data extents of a sparse file: offset, length, offset, length …
``y`` not settled: the entry is read again next time whatever its times say · ``b`` why the content is missing or
cut short · ``c`` the content changed while it was read · ``m`` a mount point that was not entered.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat as modes
from collections.abc import Iterable

from holdfast.model.snapshot import Notes

MODE, UID, GID, MTIME, CTIME, INO, NLINK, SIZE = range(8)

FACTS, XATTRS, SYMLINK, HARDLINK, DEVICE, EXTENTS = "s", "x", "l", "h", "d", "e"
UNSETTLED, BROKEN, CHANGED, MOUNT = "y", "b", "c", "m"

DIR, FILE, LINK = "dir", "file", "symlink"
FIFO, CHARDEV, BLOCKDEV, SOCKET = "fifo", "chardev", "blockdev", "socket"

KINDS = {
    modes.S_IFDIR: DIR, modes.S_IFREG: FILE, modes.S_IFLNK: LINK, modes.S_IFIFO: FIFO,
    modes.S_IFCHR: CHARDEV, modes.S_IFBLK: BLOCKDEV, modes.S_IFSOCK: SOCKET,
}

Xattrs = list[list[bytes]]

_NO_XATTRS = frozenset((errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES, errno.ENOENT, errno.ELOOP))


def kind_of(mode: int) -> str:
    """The item kind for a file mode; what has no name here (doors, whiteouts) counts as a socket: recorded only."""
    return KINDS.get(mode & 0o170000, SOCKET)


def facts_of(stat: os.stat_result) -> list[int]:
    """The facts of an lstat, in the order of the constants."""
    return [
        stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_nlink,
        stat.st_size,
    ]


def permissions(facts: list[int]) -> int:
    """The mode without the kind."""
    return facts[MODE] & 0o7777


def device_of(stat: os.stat_result) -> list[int]:
    """Major and minor number of a device node."""
    return [os.major(stat.st_rdev), os.minor(stat.st_rdev)]


def xattrs_of_fd(fd: int) -> Xattrs:
    """Extended attributes of an open file or folder, as [name, value] sorted by name."""
    if not hasattr(os, "listxattr"):
        return []
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise
    return _values(fd, names) if names else []


def xattrs_of_name(name: bytes, dir_fd: int) -> Xattrs:
    """The same for an entry that must not or cannot be opened; a symlink's own."""
    if not hasattr(os, "listxattr"):
        return []
    path = b"/proc/self/fd/%d/%s" % (dir_fd, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return []
        raise
    return _values(path, names) if names else []


def _values(where: int | bytes, names: Iterable[str]) -> Xattrs:
    found: Xattrs = []
    follow = isinstance(where, int)
    for name in names:
        try:
            found.append([os.fsencode(name), os.getxattr(where, name, follow_symlinks=follow)])
        except OSError as error:
            if error.errno not in _NO_XATTRS:  # else gone since it was listed, or not for us to read
                raise
    found.sort()
    return found


def owner_names(uids: Iterable[int], gids: Iterable[int]) -> Notes:
    """Names of users and groups known on this machine, as [number, name] pairs, for the snapshot's notes."""
    users, groups = [], []
    for uid in sorted(uids):
        with contextlib.suppress(KeyError):
            users.append([uid, pwd.getpwuid(uid).pw_name])
    for gid in sorted(gids):
        with contextlib.suppress(KeyError):
            groups.append([gid, grp.getgrgid(gid).gr_name])
    return {"users": users, "groups": groups}
