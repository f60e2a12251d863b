"""What a first user gets wrong about a folder: not there, not readable, patterns that leave out nothing."""

from __future__ import annotations

import os
from itertools import islice

from holdfast.model.errors import HoldfastError
from holdfast.sources.base import Finding
from holdfast.sources.files.admission import Admission
from holdfast.sources.files.names import printable
from holdfast.sources.files.only import Only
from holdfast.sources.files.opening import open_root
from holdfast.sources.files.rules import Rules
from holdfast.sources.files.walk import IFMT, Walk

SAMPLE = 20_000
"""Entries looked at; a doctor's visit is short."""

_REGULAR = 0o100000
_SHOWN = 3


def examine(path: str, rules: Rules) -> list[Finding]:
    """Findings about one tree."""
    try:
        root_fd = open_root(path)
    except HoldfastError as error:
        return [Finding(level="fail", what=f"{error.what}: {error.where}", mend=error.hint)]
    try:
        admission = Admission(root_fd, rules, Only(()))
        seen, unreadable = _sample(root_fd, admission)
    except HoldfastError as error:
        return [Finding(level="fail", what=f"{error.what}: {error.where}", mend=error.hint)]
    finally:
        os.close(root_fd)
    findings = [_presence(path, seen), *(_refused(unreadable, seen) if unreadable else ())]
    if os.geteuid() != 0:
        findings.append(Finding(
            level="warn", what="not running as root: a restore cannot give files back to their owners",
            mend="run holdfast as root if the folder holds files of several users",
        ))
    findings += [Finding(level="warn", what=warning) for warning in admission.warnings]
    if seen < SAMPLE:
        findings += [
            Finding(level="warn", what=f"the exclude pattern {pattern!r} matches nothing", mend="correct or remove it")
            for pattern in admission.exclusion.unused() if not pattern.startswith("!")
        ]
    return findings


def _presence(path: str, seen: int) -> Finding:
    if seen <= 1:
        return Finding(level="warn", what=f"{path} is empty", mend="is it mounted? is the path right?")
    number = f"{seen:,}" if seen < SAMPLE else f"more than {SAMPLE:,}"
    return Finding(level="ok", what=f"{path} is there and holds {number} entries")


def _refused(unreadable: list[str], seen: int) -> list[Finding]:
    names = ", ".join(unreadable[:_SHOWN])
    return [Finding(
        level="fail", what=f"{len(unreadable)} of {seen:,} entries cannot be read: {names}",
        mend="run holdfast as a user who may read them, or exclude them",
    )]


def _sample(root_fd: int, admission: Admission) -> tuple[int, list[str]]:
    unreadable: list[str] = []
    walk = Walk(
        root_fd, lost=lambda name, _error: unreadable.append(printable(name)), admit=admission.doorkeeper(),
        admit_folder=admission.folder_doorkeeper(), sieve=admission.sieve(),
    )
    seen = 0
    try:
        for path, name, stat, dir_fd in islice(walk, SAMPLE):
            seen += 1
            refused = walk.trouble is not None
            if stat.st_mode & IFMT == _REGULAR:
                refused = not os.access(name, os.R_OK, dir_fd=dir_fd, effective_ids=True)
            if refused:
                unreadable.append(printable(path))
    finally:
        walk.close()
    return seen, unreadable
