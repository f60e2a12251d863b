"""A tree of small files: first backup, again with nothing changed, restore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.data import size_of
from bench.ledger import Section
from bench.measure import Sample
from bench.tools import Borg, Holdfast, Restic, fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBench:
    """What the section works with; a tool that is not installed is None."""

    tree: Path
    folder: Path
    holdfast: Holdfast
    restic: Restic | None
    borg: Borg | None
    repeats: int


def files(bench: FileBench, section: Section) -> None:
    """Every tool in turn, in each repetition, warm caches for all.

    What was restored stays until the end: ext4 does not give the inodes of deleted files away again for up to five
    minutes, and looks through all of them for each new file. A restore soon after the removal of so many files
    takes several times as long, whatever restores.
    """
    fresh(bench.folder / "out").mkdir()
    section.facts["tree bytes"] = size_of(bench.tree)
    section.facts["files"] = sum(len(names) for _, _, names in os.walk(bench.tree))
    for repeat in range(bench.repeats):
        _ours(bench, section, repeat)
        for name, tool in (("restic", bench.restic), ("borg", bench.borg)):
            if tool is not None:
                _theirs(bench, section, name, tool, repeat)
    if "holdfast: first" in section.samples:
        section.value("holdfast: repository bytes", bench.holdfast.size())
    if bench.restic is not None and "restic: first" in section.samples:
        section.value("restic: repository bytes", bench.restic.size())
    fresh(bench.folder / "out")


def _ours(bench: FileBench, section: Section, repeat: int) -> None:
    def first() -> Sample:
        bench.holdfast.begin(media=f"files:{bench.tree}")
        _warm(bench.tree)
        return bench.holdfast.backup("media")

    _step(section, "holdfast: first", first)
    _step(section, "holdfast: again", lambda: bench.holdfast.backup("media"), after="holdfast: first")
    _step(section, "holdfast: restore", lambda: _restore_ours(bench, section, repeat), after="holdfast: first")


def _theirs(bench: FileBench, section: Section, name: str, tool: Restic | Borg, repeat: int) -> None:
    def first() -> Sample:
        tool.begin()
        _warm(bench.tree)
        return tool.backup(bench.tree)

    _step(section, f"{name}: first", first)
    _step(section, f"{name}: again", lambda: tool.backup(bench.tree), after=f"{name}: first")
    _step(section, f"{name}: restore", lambda: _restore(bench, name, tool, repeat), after=f"{name}: first")


def _step(section: Section, name: str, act: Callable[[], Sample], *, after: str = "") -> None:
    os.sync()
    section.step(name, act, after=after)


def _warm(tree: Path) -> None:
    """Read everything once: the kernel may have dropped the tree since, and the first tool would pay for all."""
    for at, _, names in os.walk(tree):
        for name in names:
            with open(os.path.join(at, name), "rb", buffering=0) as file:
                file.read()
    os.sync()


def _restore(bench: FileBench, name: str, tool: Restic | Borg, repeat: int) -> Sample:
    out = bench.folder / "out" / f"{name}-{repeat}"
    out.mkdir()
    return tool.restore(out)


def _restore_ours(bench: FileBench, section: Section, repeat: int) -> Sample:
    out = bench.folder / "out" / f"holdfast-{repeat}"
    sample = bench.holdfast.restore("media", str(out))
    if repeat == 0:
        words = ["diff", "-rq", str(bench.tree), str(out)]
        differs = subprocess.run(words, capture_output=True, text=True, check=False)
        if differs.returncode:
            section.fail("holdfast: restore", f"the restored tree differs: {differs.stdout[:300]}")
    return sample
