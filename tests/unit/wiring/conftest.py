"""Surroundings that begin in an empty folder and an empty environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.wiring.surroundings import Surroundings


class Place:
    """A folder in which configurations are tried; ``around`` makes surroundings with some environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def around(self, **environ: str) -> Surroundings:
        return Surroundings(environ={"HOME": str(self.folder / "home"), **environ}, folder=self.folder)

    def write(self, text: str, name: str = "holdfast.toml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty place."""
    return Place(tmp_path)
