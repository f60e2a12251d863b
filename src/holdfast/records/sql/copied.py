"""COPY text as files that DuckDB opens: a file system that holds nothing but the tables of one session."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

from holdfast.sources.records import CopyText

PROTOCOL = "holdfast"
_NEVER = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class CopiedFiles(AbstractFileSystem):  # type: ignore[misc]
    """fsspec's file system over CopyTexts, by path. What reading raises is in ``failed``."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._texts: dict[str, CopyText] = {}
        self.failed: BaseException | None = None

    def add(self, text: CopyText) -> str:
        """The URL of a new file."""
        url = f"{PROTOCOL}://{len(self._texts)}"
        self._texts[url] = text
        return url

    def info(self, path: str, **_more: Any) -> dict[str, Any]:
        """Size and kind."""
        return {"name": path, "size": self._text(path).size, "type": "file"}

    def size(self, path: str) -> int:
        """In bytes."""
        return self._text(path).size

    def ls(self, path: str, detail: bool = True, **_more: Any) -> list[Any]:
        """The file itself: there are no folders."""
        return [self.info(path) if detail else path]

    def glob(self, path: str, **_more: Any) -> list[str]:
        """Names are never patterns."""
        return [path] if self.exists(path) else []

    def exists(self, path: str, **_more: Any) -> bool:
        """Whether there is such a table."""
        return self._name(path) in self._texts

    def modified(self, _path: str) -> dt.datetime:
        """What is in a snapshot does not change."""
        return _NEVER

    def _open(self, path: str, mode: str = "rb", **_more: Any) -> io.RawIOBase:
        if mode != "rb":
            raise PermissionError(path)
        return _File(self._text(path), self)

    def _text(self, path: str) -> CopyText:
        if not self.exists(path):
            raise FileNotFoundError(path)
        return self._texts[self._name(path)]

    @staticmethod
    def _name(path: str) -> str:
        return path if path.startswith(f"{PROTOCOL}://") else f"{PROTOCOL}://{path.lstrip('/')}"


class _File(io.RawIOBase):
    def __init__(self, text: CopyText, files: CopiedFiles) -> None:
        self._text = text
        self._files = files
        self._at = 0

    def read(self, length: int | None = -1) -> bytes:
        wanted = self._text.size - self._at if length is None or length < 0 else length
        try:
            data = self._text.read(self._at, wanted)
        except BaseException as error:
            self._files.failed = error
            raise
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._text.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
