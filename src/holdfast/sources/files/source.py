"""A folder of the application as a source of backups."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from holdfast.sources.base import Capture, CaptureRequest, Finding, RestoreRequest, Source, Target
from holdfast.sources.files.capture import FilesCapture
from holdfast.sources.files.examine import examine
from holdfast.sources.files.opening import open_root
from holdfast.sources.files.restore.target import FilesTarget
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
        ignore_file: bool = True,
    ) -> None:
        self.path = os.path.abspath(path)
        self.rules = Rules(
            exclude=tuple(exclude), exclude_caches=exclude_caches, one_file_system=one_file_system,
            skip=tuple(skip), grain=grain, fine_grain=min(grain, 0.1), ignore_file=ignore_file,
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
        return FilesTarget(self.path, self.rules, request, self._bare)

    def examine(self) -> list[Finding]:
        """Whether the tree is there, readable, and the patterns mean something."""
        return examine(self.path, self.rules)

    def _bare(self, path: str) -> Source:
        """Another tree of which nothing is left out but holdfast's own folders."""
        return FilesSource(path, skip=self.rules.skip, grain=self.rules.grain, ignore_file=False)
