"""Giving an entry the owner, mode, attributes and times it had.

The order matters: chown drops setuid bits and capabilities, a file without write permission refuses attributes to its
own owner, and everything else moves the times.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
from collections.abc import Callable
from typing import Any

from holdfast.model.snapshot import Notes
from holdfast.sources.files import inode

_SET_ID = 0o6000
_LABEL = "security.selinux"


class Dresser:
    """Applies item notes. Owners go by name where this machine knows the name, else by number."""

    def __init__(self, head: Notes, *, owner: bool, acl: bool) -> None:
        self.privileged = os.geteuid() == 0
        self.chowns = owner and self.privileged
        self._acl = acl
        self._mine = (os.geteuid(), os.getegid())
        self._users = _numbers(head.get("users", []), lambda name: pwd.getpwnam(name).pw_uid)
        self._groups = _numbers(head.get("groups", []), lambda name: grp.getgrnam(name).gr_gid)

    def owner(self, facts: list[int]) -> tuple[int, int]:
        """User and group number on this machine."""
        uid, gid = facts[inode.UID], facts[inode.GID]
        return self._users.get(uid, uid), self._groups.get(gid, gid)

    def mode(self, facts: list[int]) -> int:
        """The permissions to set; setuid and setgid only for the owner they were meant for."""
        mode = inode.permissions(facts)
        if mode & _SET_ID and not self.chowns and self.owner(facts) != self._mine:
            mode &= ~_SET_ID
        return mode

    def keeps(self, name: bytes) -> bool:
        """Whether this attribute can and shall be set."""
        if name.startswith(b"system.posix_acl_"):
            return self._acl
        return self.privileged or name.startswith(b"user.")

    def wanted_xattrs(self, notes: Notes) -> inode.Xattrs:
        """The attributes to set, sorted by name."""
        return [pair for pair in notes.get(inode.XATTRS, ()) if self.keeps(pair[0])]

    def fresh(self, fd: int, notes: Notes) -> str:
        """Dress a file or folder just made by this process (mode 0600 or 0700). Returns what could not be done."""
        facts = notes[inode.FACTS]
        trouble = ""
        if self.chowns and (owner := self.owner(facts)) != self._mine:
            trouble = _try("owner", os.fchown, fd, *owner)
        if inode.XATTRS in notes:
            trouble = trouble or self._add_xattrs(fd, self.wanted_xattrs(notes))
        os.fchmod(fd, self.mode(facts))
        os.utime(fd, ns=(facts[inode.MTIME], facts[inode.MTIME]))
        return trouble

    def again(self, fd: int, notes: Notes) -> str:
        """Dress a file or folder that existed, or inherited something: attributes not in the notes are removed."""
        facts = notes[inode.FACTS]
        trouble = _try("owner", os.fchown, fd, *self.owner(facts)) if self.chowns else ""
        wanted = self.wanted_xattrs(notes)
        for name, _ in inode.xattrs_of_fd(fd):
            if self.keeps(name) and os.fsdecode(name) != _LABEL and all(name != pair[0] for pair in wanted):
                trouble = trouble or _try(os.fsdecode(name), os.removexattr, fd, name)
        trouble = trouble or self._add_xattrs(fd, wanted)
        os.fchmod(fd, self.mode(facts))
        os.utime(fd, ns=(facts[inode.MTIME], facts[inode.MTIME]))
        return trouble

    def by_name(self, name: bytes, dir_fd: int, notes: Notes) -> str:
        """Dress a symlink, fifo or device without opening it or following anything."""
        facts = notes[inode.FACTS]
        trouble = ""
        if self.chowns:
            uid, gid = self.owner(facts)
            trouble = _try("owner", lambda: os.chown(name, uid, gid, dir_fd=dir_fd, follow_symlinks=False))
        place = b"/proc/self/fd/%d/%s" % (dir_fd, name)
        for attribute, value in self.wanted_xattrs(notes):
            trouble = trouble or _try(
                os.fsdecode(attribute), lambda a=attribute, v=value: os.setxattr(place, a, v, follow_symlinks=False)
            )
        if inode.SYMLINK not in notes:
            _chmod_special(name, dir_fd, self.mode(facts))
        mtime = facts[inode.MTIME]
        os.utime(name, ns=(mtime, mtime), dir_fd=dir_fd, follow_symlinks=False)
        return trouble

    @staticmethod
    def _add_xattrs(fd: int, wanted: inode.Xattrs) -> str:
        trouble = ""
        for name, value in wanted:
            trouble = trouble or _try(os.fsdecode(name), os.setxattr, fd, name, value)
        return trouble


def _chmod_special(name: bytes, dir_fd: int, mode: int) -> None:
    """chmod has no way not to follow a symlink planted meanwhile, so it goes through a descriptor of the entry."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        if (os.fstat(fd).st_mode & 0o170000) != 0o120000:
            os.chmod(f"/proc/self/fd/{fd}", mode)
    finally:
        os.close(fd)


def _try(what: str, call: Callable[..., Any], *values: Any) -> str:
    try:
        call(*values)
    except OSError as error:
        if what == _LABEL and error.errno in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            return ""  # labels belong to the policy of the machine
        return f"{what} could not be set: {os.strerror(error.errno or 0)}"
    return ""


def _numbers(pairs: list[list[Any]], look_up: Callable[[str], int]) -> dict[int, int]:
    found = {}
    for number, name in pairs:
        try:
            found[number] = look_up(name)
        except KeyError:
            continue
    return found
