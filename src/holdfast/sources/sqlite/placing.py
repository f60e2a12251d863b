"""A restored database as a new file: complete, flushed and checked before it gets its name."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from holdfast.model.errors import TargetError
from holdfast.model.snapshot import Item, Segment
from holdfast.sources.base import Content
from holdfast.sources.sqlite.names import printable, side_files
from holdfast.sources.sqlite.reader import Reader
from holdfast.sources.sqlite.segments import Digest, segment_range
from holdfast.system.files import NotOfferedError, fsync_directory, publish_by_link, publish_by_rename


@contextlib.contextmanager
def written_beside(place: bytes, item: Item, content: Content, width: int) -> Iterator[bytes]:
    """A temporary file in the folder of ``place`` with exactly the item's bytes, on disk; removed at the end.

    TargetError when it cannot be written or is not what the manifest tells.
    """
    folder, name = os.path.split(place)
    temporary = os.path.join(folder, b"." + name[:200] + b".holdfast-" + secrets.token_hex(6).encode())
    try:
        with translated(place):
            os.makedirs(folder, exist_ok=True)
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _write(fd, item, content, width)
                os.fsync(fd)
            finally:
                os.close(fd)
        yield temporary
    finally:
        for leftover in [temporary, *side_files(temporary)]:
            with contextlib.suppress(OSError):
                os.unlink(leftover)


def _write(fd: int, item: Item, content: Content, width: int) -> None:
    os.ftruncate(fd, item.size)
    content.prefetch(item.segments)
    with ThreadPoolExecutor(max_workers=max(1, width)) as pool:
        running = [pool.submit(_write_segment, fd, segment, content) for segment in item.segments]
        try:
            for each in running:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if (size := os.fstat(fd).st_size) != item.size:
        raise TargetError("The restored file has a wrong size", why=f"{size} bytes, not {item.size}")


def _write_segment(fd: int, segment: Segment, content: Content) -> None:
    offset, end = segment_range(segment.key)
    digest, at = Digest(offset), offset
    for block in content.blocks(segment):
        digest.add(block)
        view = memoryview(block)
        while view:
            written = os.pwrite(fd, view, at)
            at += written
            view = view[written:]
    if at != end or (segment.stamp and digest.value() != segment.stamp):
        raise TargetError(
            "Restored bytes are not those the manifest tells",
            where=segment.key,
            hint="Run holdfast check --read-data; nothing was put in place",
        )


def inspect(path: bytes, *, count: bool) -> dict[str, Any]:
    """Tables and soundness of a file that nobody has open."""
    with Reader(path, still=True) as reader:
        reader.begin_inspection(count=count, check=True, quick=reader.size > 1 << 30)
        return reader.end_inspection()


def publish(temporary: bytes, place: bytes) -> None:
    """Give a finished file its name, unless something has that name. TargetError when it has."""
    with translated(place):
        try:
            publish_by_link(os.fsdecode(temporary), os.fsdecode(place))
        except NotOfferedError:
            publish_by_rename(os.fsdecode(temporary), os.fsdecode(place))
        flush_folder(place)


def set_aside(place: bytes, label: str) -> list[str]:
    """Take away side files that belong to lost pages, so that they are never applied to restored ones.

    Logs and journals with content keep their bytes under another name; their names are returned.
    """
    kept = []
    with translated(place):
        for each in side_files(place):
            if each.endswith(b"-shm") or not os.path.getsize(each):
                os.unlink(each)
                continue
            aside = each + b".before-" + os.fsencode(label.replace("/", "_"))
            while os.path.lexists(aside):
                aside += b"~"
            os.rename(each, aside)
            kept.append(printable(aside))
        flush_folder(place)
    return kept


def flush_folder(place: bytes) -> None:
    """Make the names beside ``place`` survive power loss."""
    fsync_directory(os.fsdecode(os.path.dirname(place)))


def take_over_ownership(temporary: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Give the file its mode, and its owner where we may."""
    if owner is not None and os.geteuid() == 0:
        os.chown(temporary, *owner)
    os.chmod(temporary, mode)


@contextlib.contextmanager
def translated(place: bytes) -> Iterator[None]:
    """OSError in a person's words."""
    try:
        yield
    except FileExistsError as error:
        raise TargetError(
            "A file of that name appeared meanwhile",
            where=printable(place),
            hint="Nothing was changed; choose another place with --to",
        ) from error
    except OSError as error:
        raise TargetError(
            "The restored database could not be written", where=printable(place), why=str(error)
        ) from error
