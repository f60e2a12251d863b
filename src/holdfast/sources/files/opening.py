"""Opening the root of a tree, with words for a person when that cannot be done."""

from __future__ import annotations

import os

from holdfast.model.errors import SourceError


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
