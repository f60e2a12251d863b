"""Where the trees of these tests are made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")


def _offers_attributes(folder: Path) -> bool:
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as probe:
            os.setxattr(probe.name, "user.probe", b"")
    except OSError:
        return False
    return True


@pytest.fixture(params=["memory", "disk"])
def any_place(request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on each of two kinds of file system."""
    return tmp_path if request.param == "memory" else tmp_path_factory.mktemp("on-disk")


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where that keeps attributes: syncing a disk that others use takes seconds."""
    if not (_MEMORY.is_dir() and _offers_attributes(_MEMORY)):
        yield tmp_path_factory.mktemp("files")
        return
    folder = Path(tempfile.mkdtemp(prefix="holdfast-files-", dir=_MEMORY))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
