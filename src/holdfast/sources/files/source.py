"""A folder of the application as a source of backups."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from holdfast.model.errors import SourceError
from holdfast.sources.base import Capture, CaptureRequest, Finding, RestoreRequest, Target
from holdfast.sources.files.capture import FilesCapture
from holdfast.sources.files.rules import Rules


class FilesSource:
    """The tree under ``path``; implements sources.base.Source.

    ``exclude`` lines in gitignore syntax; ``skip`` paths of holdfast's own folders (repository, cache, state),
    which are neither saved nor touched wherever they lie.
    """

    def __init__(
        self,
        path: str,
        exclude: tuple[str, ...] = (),
        *,
        exclude_caches: bool = False,
        one_file_system: bool = False,
        skip: tuple[str, ...] = (),
        grain: float = 2.0,
    ) -> None:
        self.path = os.path.abspath(path)
        self.rules = Rules(
            exclude=tuple(exclude), exclude_caches=exclude_caches, one_file_system=one_file_system,
            skip=tuple(skip), grain=grain, fine_grain=min(grain, 0.1),
        )

    @property
    def kind(self) -> str:
        """Always "files"."""
        return "files"

    @property
    def url(self) -> str:
        """The path, as it is written in the configuration."""
        return f"files:{self.path}"

    @contextlib.contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[Capture]:
        """One pass over the tree. SourceError when the folder is not there or cannot be entered."""
        root_fd = open_root(self.path)
        try:
            capture = FilesCapture(self.path, root_fd, self.rules, request)
            try:
                yield capture
            finally:
                capture.close()
        finally:
            os.close(root_fd)

    def target(self, request: RestoreRequest) -> Target:
        """Where a restore of this tree goes."""
        raise NotImplementedError

    def examine(self) -> list[Finding]:
        """Whether the tree is there, readable, and the patterns mean something."""
        raise NotImplementedError


def open_root(path: str) -> int:
    """A descriptor of the tree's root; the root itself may be a symlink, as its owner chose that path."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise SourceError(
            "the folder does not exist", where=path, why=os.strerror(error.errno or 0),
            hint="mount it or correct the path in holdfast.toml; earlier snapshots are untouched",
        ) from error
    except NotADirectoryError as error:
        raise SourceError("this is not a folder", where=path, hint="files: takes the path of a folder") from error
    except OSError as error:
        raise SourceError(
            "the folder cannot be opened", where=path, why=os.strerror(error.errno or 0),
            hint="run holdfast as a user who may read it",
        ) from error
