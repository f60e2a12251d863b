"""What is exported appears whole or not at all, readable by its owner alone, and never in place of something else."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from holdfast.model.errors import TargetError
from holdfast.system.files import fsync_directory, publish_new


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """TargetError when something is there already that must not be replaced, or no folder to put it in."""
    if path.is_symlink() or path.exists():
        if path.is_dir():
            raise TargetError("a folder of that name is there", where=str(path), hint="name a file: --to PATH")
        if not overwrite:
            raise TargetError("the file is there already", where=str(path), hint="choose another, or: --overwrite")
    if not path.parent.is_dir():
        raise TargetError("there is no such folder", where=str(path.parent), hint=f"mkdir -p '{path.parent}'")


def write(path: Path, blocks: Iterable[bytes], *, overwrite: bool) -> int:
    """Write a file under a temporary name, then give it its own; the number of bytes. Nothing is left on failure."""
    refuse_existing(path, overwrite=overwrite)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        size = _fill(temporary, blocks)
        if overwrite:
            os.replace(temporary, path)
        else:
            publish_new(os.fspath(temporary), os.fspath(path))
        fsync_directory(path.parent)
    except FileExistsError as error:
        raise TargetError("the file is there already", where=str(path), hint="another was made meanwhile") from error
    except OSError as error:
        raise TargetError("the file cannot be written", where=str(path), why=error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return size


def _fill(temporary: Path, blocks: Iterable[bytes]) -> int:
    size = 0
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        for block in blocks:
            file.write(block)
            size += len(block)
        file.flush()
        os.fsync(file.fileno())
    return size


def make_folder(path: Path, *, overwrite: bool) -> None:
    """The folder for several files, made if it is not there. TargetError when it holds something already."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        filled = any(path.iterdir())
    except OSError as error:
        raise TargetError(
            "the folder cannot be written", where=str(path), why=error.strerror or str(error), hint="--to FOLDER"
        ) from error
    if filled and not overwrite:
        raise TargetError(
            "the folder is not empty", where=str(path), hint="choose another, or --overwrite: files are then replaced"
        )
