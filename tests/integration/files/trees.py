"""Real trees for the tests: making them, and taking down everything about them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

ACL_ACCESS = "system.posix_acl_access"
# version 2; user::rwx, user:1234:rw-, group::r--, mask::rwx, other::r--
ACL = bytes.fromhex("02000000 01000700ffffffff 02000600d2040000 04000400ffffffff 10000700ffffffff 20000400ffffffff")
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def write(path: Path | bytes, data: bytes = b"") -> None:
    """A file with that content."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def portrait(root: Path | str, *, ino: bool = False) -> dict[bytes, tuple]:
    """Everything a restore must bring back, by relative name; the groups of hard links as well."""
    found: dict[bytes, tuple] = {}
    groups: dict[tuple[int, int], list[bytes]] = {}

    def look(path: bytes, name: bytes) -> None:
        s = os.lstat(path)
        kind = stat.S_IFMT(s.st_mode)
        content: object = None
        if kind == stat.S_IFREG:
            with open(path, "rb") as file:
                content = file.read()
            if s.st_nlink > 1:
                groups.setdefault((s.st_dev, s.st_ino), []).append(name)
        elif kind == stat.S_IFLNK:
            content = os.readlink(path)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = s.st_rdev
        names = os.listxattr(path, follow_symlinks=False)
        xattrs = sorted((n, os.getxattr(path, n, follow_symlinks=False)) for n in names)
        found[name] = (s.st_mode, s.st_uid, s.st_gid, s.st_mtime_ns, content, xattrs, *((s.st_ino,) if ino else ()))
        if kind == stat.S_IFDIR:
            for entry in os.listdir(path):
                look(path + b"/" + entry, (name + b"/" if name else b"") + entry)

    look(os.fsencode(root), b"")
    for number, names in enumerate(sorted(sorted(group) for group in groups.values())):
        found[b"/links/%d" % number] = tuple(names)
    return found


def age(root: Path | str, seconds: int = 0) -> None:
    """Wait until every ctime is older than the clock's grain, so that nothing is read again for its youth."""
    paths = [os.path.join(d, n) for d, ds, fs in os.walk(os.fsencode(root)) for n in [b".", *ds, *fs]]
    newest = max(os.lstat(path).st_ctime for path in paths)
    time.sleep(max(0.0, newest + 0.15 + seconds - time.time()))


def make_rich(root: Path) -> None:
    """A tree with one of everything."""
    base = os.fsencode(root)
    root.mkdir(mode=0o750)
    os.makedirs(root / "a" / "b" / "empty")
    write(root / "a" / "hello", b"hello")
    write(root / "a" / "zero")
    write(root / "a" / "b" / "big", os.urandom(5 << 20))
    write(root / "a" / "b" / "middle", os.urandom(700_000))
    write(base + b"/!first", b"sorts before a dot")
    write(base + b"/-n", b"dash")
    write(base + b"/new\nline", b"n")
    write(base + b"/bytes-\xff\xfe", b"not text")
    write(base + b"/a-b", b"between")
    os.mkdir(base + b"/d\xe9")
    write(base + b"/d\xe9/\x80", b"deep")
    os.symlink(b"a/hello", base + b"/link")
    os.symlink(b"/nowhere/\xff", base + b"/dangling")
    os.symlink(b"a", base + b"/link-to-folder")
    os.mkfifo(root / "pipe", 0o640)
    os.link(root / "a" / "hello", root / "zz-hard")
    os.link(root / "a" / "hello", root / "a" / "b" / "hard")
    os.link(base + b"/dangling", base + b"/dangling-hard", follow_symlinks=False)
    fd = os.open(root / "sparse", os.O_WRONLY | os.O_CREAT, 0o644)
    os.pwrite(fd, b"x" * 5000, 1 << 20)
    os.pwrite(fd, b"end", (3 << 20) + 7)
    os.ftruncate(fd, 6 << 20)
    os.close(fd)
    fd = os.open(root / "all-hole", os.O_WRONLY | os.O_CREAT, 0o644)
    os.ftruncate(fd, 1 << 25)
    os.close(fd)
    os.setxattr(root / "a" / "hello", "user.colour", b"blue\0\xff")
    os.setxattr(root / "a" / "b", "user.folder", b"")
    os.setxattr(root / "a-b", ACL_ACCESS, ACL)
    os.setxattr(root / "a" / "b" / "empty", "system.posix_acl_default", ACL)
    os.chmod(root / "a" / "zero", 0o000)
    os.chmod(root / "-n", 0o4711)
    os.chmod(root / "a" / "b" / "empty", 0o1777)
    if os.geteuid() == 0:
        os.chown(root / "a" / "b" / "middle", 1234, 4321)
        os.lchown(root / "link", 77, 88)
        os.chown(root / "-n", 65534, 65534)
        os.chmod(root / "-n", 0o6711)
        os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.setxattr(base + b"/link", "trusted.on-a-link", b"t", follow_symlinks=False)
        os.setxattr(root / "a" / "b" / "middle", "security.capability", CAPABILITY)
    os.utime(root / "a" / "hello", ns=(1, 1_234_567_890_123_456_789))
    os.utime(base + b"/link", ns=(1, 981_173_106_000_000_001), follow_symlinks=False)
    os.utime(root / "a" / "b", ns=(1, 86_400_000_000_001))
    os.chmod(root / "a", 0o555)
    os.utime(root, ns=(1, 1_600_000_000_000_000_007))
