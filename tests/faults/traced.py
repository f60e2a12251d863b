"""Programs run under strace: what they asked the kernel for, in order, and with one of the calls failing or fatal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = "write,pwrite64,fsync,fdatasync,link,linkat,rename,renameat2,mkdir,unlink,unlinkat,rmdir,fchmod,ftruncate"
_LINE = re.compile(r"(?:\d+ +)?(?P<call>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)(?P<why> E[A-Z]+)?")
_FD_PATH = re.compile(r"\A\d+<(?P<path>[^>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One successful call: its name, the paths it was about, and for a write its bytes as strace shows them."""

    name: str
    paths: tuple[str, ...]
    text: str


def run_traced(
    program: str, *arguments: str | Path, inject: Sequence[str] = ()
) -> tuple[subprocess.CompletedProcess[bytes], list[Call]]:
    """Run Python source under strace. ``inject`` are strace rules such as ``fsync:error=EIO:when=2``."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("not proven: the order of system calls: strace is not installed")
    with tempfile.NamedTemporaryFile(prefix="holdfast-trace-") as log:
        command = [strace, "-f", "-y", "-qq", "-o", log.name, "-e", f"trace={CALLS}"]
        for rule in inject:
            command += ["-e", f"inject={rule}"]
        done = subprocess.run(
            [*command, sys.executable, "-B", "-c", program, *map(str, arguments)], capture_output=True, check=False,
            env={"PYTHONPATH": os.pathsep.join(["src", "."]), "PATH": os.environ["PATH"]},
        )  # fmt: skip
        text = Path(log.name).read_text(errors="replace")
    if b"PTRACE" in done.stderr or b"ptrace" in done.stderr:
        pytest.skip("not proven: the order of system calls: strace may not trace here")
    assert text, done.stderr
    return done, _parsed(text)


def _parsed(text: str) -> list[Call]:
    calls = []
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None or found["why"]:
            continue
        arguments = found["arguments"]
        quoted = _QUOTED.findall(arguments)
        file = _FD_PATH.match(arguments)
        if file is not None:
            calls.append(Call(found["call"], (file["path"],), quoted[0] if quoted else ""))
        else:
            calls.append(Call(found["call"], tuple(quoted), ""))
    return calls


def unflushed(calls: list[Call], root: str) -> list[str]:
    """What a power cut at the end of ``calls`` could undo below ``root``, temporary files apart; empty is durable.

    The rules of a pessimistic disk: bytes are there after an fsync of their file, a name appears or goes after an
    fsync of its directory; and a file must be flushed before it gets its final name.
    """
    dirty: set[str] = set()
    entries: dict[str, str] = {}
    early: list[str] = []
    for call in calls:
        if not any(path.startswith(root) for path in call.paths):
            continue
        match call.name:
            case "write" | "pwrite64" | "ftruncate":
                dirty.add(call.paths[0])
            case "fsync" | "fdatasync":
                dirty.discard(call.paths[0])
                entries = {path: folder for path, folder in entries.items() if folder != call.paths[0]}
            case "mkdir" | "unlink" | "rmdir":
                entries[call.paths[0]] = os.path.dirname(call.paths[0])
            case "link" | "linkat" | "rename" | "renameat2":
                if call.paths[0] in dirty:
                    early.append(f"{call.paths[1]} got its name before its bytes were flushed")
                entries[call.paths[1]] = os.path.dirname(call.paths[1])
    lost = [f"the bytes of {path}" for path in dirty if "tmp+" not in path]
    lost += [f"the name {path}" for path in entries if "tmp+" not in path]
    return early + lost
