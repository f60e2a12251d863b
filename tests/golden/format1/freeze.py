"""Makes the frozen repository anew: ``python -m tests.golden.format1.freeze``. Run once for each release of a format.

A repository that was committed is never replaced: later releases must read what earlier ones wrote.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.faults.world import EAGER, Rows, RowsSource, World, content, rows, touched

from holdfast.repository import log
from holdfast.sources.files.source import FilesSource
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.prune import PruneRequest, prune

PASSPHRASE = "a passphrase for tests"


def digests(data: Rows) -> dict[str, str]:
    """What is expected of each item: one hash over its segments' bytes."""
    return {name: hashlib.sha256(b"".join(segments)).hexdigest() for name, segments in data.items()}


def fill(world: World) -> dict[str, dict[str, str]]:
    """Snapshots of every shape; returns what each that is alive holds."""
    noise = Random(1).randbytes(3_000)
    base: Rows = {"public.events": [rows(1, 9_000), rows(2, 9_000)], "public.noise": [noise], "public.empty": [b""]}
    many: Rows = {**base, "public.many": [[b"a\t1\n", b"b\t2\n", b"c\t3\n"][n % 3] for n in range(1100)]}
    world.back_up("old", {"public.gone": [rows(3, 9_000)], "public.shared": [rows(4, 9_000)]}, "maker")
    world.back_up("base", {**base, "public.shared": [rows(4, 9_000)]}, "maker")
    world.forget("old", client="maker")
    with world.opened("maker") as repository:
        prune(repository, PruneRequest(policy=EAGER))
    world.back_up("delta", {**base, "public.events": [touched(rows(1, 9_000)), touched(rows(2, 9_000), 2)]}, "maker")
    world.back_up("parts", many, "maker")
    world.back_up("dropped", {"public.dropped": [rows(5, 2_000)]}, "maker")
    world.forget("dropped", client="maker")
    tree = world.root / "tree"
    (tree / "media").mkdir(parents=True)
    (tree / "conf.toml").write_text("port = 80\n")
    (tree / "media" / "a.txt").write_bytes(b"a" * 300)
    (tree / "media" / "big.bin").write_bytes(rows(6, 20_000))
    Path(os.fsdecode(os.fsencode(tree) + b"/media/caf\xe9")).write_bytes(b"not UTF-8\n")
    with world.opened("maker") as repository:
        request = BackupRequest(sources={"tree": FilesSource(str(tree))}, name="tree")
        assert not backup(repository, request).failures
        by_name = {entry.info.name: entry for entry in repository.snapshots()}
        repository.pin([by_name["delta"].info.id])
        repository.add_key("a second passphrase", "second")
        slot, _ = repository.add_key("a third passphrase", "third")
        repository.remove_key(slot.id)
        with contextlib.suppress(InterruptedError):
            unfinished: Rows = {"public.new": [rows(number, 3_000) for number in range(70, 76)]}
            backup(repository, BackupRequest(sources={"app": RowsSource(unfinished, stop_after=12_000)}))
        return {name or "": digests(content(repository, entry)) for name, entry in by_name.items()}


def main() -> int:
    """Write ``repository/`` and ``expected.json`` beside this file, unless they are there."""
    here = Path(__file__).parent
    if (here / "repository").exists():
        print("there is a frozen repository already", file=sys.stderr)
        return 1
    log.CHECKPOINT_EVERY = 8
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder)).create()
        expected = {"recovery_key": world.recovery_key, "snapshots": fill(world)}
        shutil.rmtree(world.repo / "tmp+", ignore_errors=True)
        shutil.copytree(world.repo, here / "repository")
    for path in (here / "repository").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
