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
    """Every tool in turn, in each repetition, warm caches for all."""
    section.facts["tree bytes"] = size_of(bench.tree)
    section.facts["files"] = sum(len(names) for _, _, names in os.walk(bench.tree))
    for repeat in range(bench.repeats):
        _ours(bench, section, repeat)
        for name, tool in (("restic", bench.restic), ("borg", bench.borg)):
            if tool is not None:
                _theirs(bench, section, name, tool)
    if "holdfast: first" in section.samples:
        section.value("holdfast: repository bytes", bench.holdfast.size())
    if bench.restic is not None and "restic: first" in section.samples:
        section.value("restic: repository bytes", bench.restic.size())


def _ours(bench: FileBench, section: Section, repeat: int) -> None:
    def first() -> Sample:
        bench.holdfast.begin(media=f"files:{bench.tree}")
        os.sync()
        return bench.holdfast.backup("media")

    _step(section, "holdfast: first", first)
    _step(section, "holdfast: again", lambda: bench.holdfast.backup("media"), after="holdfast: first")
    _step(section, "holdfast: restore", lambda: _restore_ours(bench, section, repeat), after="holdfast: first")


def _theirs(bench: FileBench, section: Section, name: str, tool: Restic | Borg) -> None:
    def first() -> Sample:
        tool.begin()
        os.sync()
        return tool.backup(bench.tree)

    _step(section, f"{name}: first", first)
    _step(section, f"{name}: again", lambda: tool.backup(bench.tree), after=f"{name}: first")
    _step(section, f"{name}: restore", lambda: _restore(bench, tool), after=f"{name}: first")


def _step(section: Section, name: str, act: Callable[[], Sample], *, after: str = "") -> None:
    os.sync()
    section.step(name, act, after=after)


def _restore(bench: FileBench, tool: Restic | Borg) -> Sample:
    out = fresh(bench.folder / "out")
    out.mkdir()
    sample = tool.restore(out)
    fresh(out)
    return sample


def _restore_ours(bench: FileBench, section: Section, repeat: int) -> Sample:
    out = fresh(bench.folder / "out")
    sample = bench.holdfast.restore("media", str(out))
    if repeat == 0:
        words = ["diff", "-rq", str(bench.tree), str(out)]
        differs = subprocess.run(words, capture_output=True, text=True, check=False)
        if differs.returncode:
            section.fail("holdfast: restore", f"the restored tree differs: {differs.stdout[:300]}")
    fresh(out)
    return sample
