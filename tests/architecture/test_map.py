"""The map shows the land: what is written of the packages equals what is on disk."""

from __future__ import annotations

import re

from tests.architecture.tree import PACKAGE, ROOT

import holdfast


def _folders() -> set[str]:
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def _is_named(folder: str, text: str) -> bool:
    """Top folders by their path, inner ones by their name."""
    _, slash, inner = folder.rpartition("/")
    return f"`{inner}`" in text or f"src/holdfast/{folder}" in text if slash else f"src/holdfast/{inner}`" in text


def test_the_map_in_the_package_names_every_folder() -> None:
    """The first screen of the package is the architecture, no room missing and none invented."""
    drawn = [line.split("  ")[0] for line in re.findall(r"^    (\S.*)$", holdfast.__doc__ or "", re.MULTILINE)]
    rooms = {room.strip() for line in drawn for room in line.split("|")}
    assert rooms == _folders()


def test_the_tree_in_the_architecture_names_every_folder() -> None:
    """ARCHITECTURE.md names every package folder, inner ones too, and no folder that is not there."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    folders = {str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("__init__.py")} - {"."}
    missing = [folder for folder in sorted(folders) if not _is_named(folder, text)]
    assert not missing
    invented = [
        name
        for name in re.findall(r"src/holdfast/([a-z_/]+[a-z_])(?:\.py)?", text)
        if not (PACKAGE / name).exists() and not (PACKAGE / f"{name}.py").exists()
    ]
    assert not invented
