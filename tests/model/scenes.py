"""The scenes that are explored: who is on stage, and what the repository held before."""

from __future__ import annotations

from dataclasses import replace

from tests.model.actors import Scene
from tests.model.world import A, B

AB = A | B

ONE_PACK = (4,)
"""The seed: one pack with a and b in full."""
BASED = (7,)
"""One pack with a in full and b as its delta."""
TWO_PACKS = (1, 6)
"""a in full in one pack, b as its delta in another."""

TWO_SNAPSHOTS = Scene(actors=("backup",), needs=((AB,), (A, AB)))
TWO_PRUNERS = Scene(actors=("backup",), needs=((AB,), (B,)), pruners=2)
TWO_BACKUPS = Scene(actors=("backup", "backup"), needs=((AB,), (AB,), (B,)))
BACKUP_AND_RESTORE = Scene(actors=("backup", "restore"), needs=((AB,), (AB,), ()))
BACKUP_AND_REPACK = Scene(actors=("backup", "prune"), needs=((AB,), (AB,), ()))
RESTORE_AND_REPACK = Scene(actors=("restore", "prune"), needs=((AB,), (), ()))
LETTING_GO = Scene(actors=("backup", "backup"), needs=((AB,), (AB,), (B,)), seeds=(ONE_PACK,), lets_go=True)
LATER = Scene(actors=("backup",), needs=((AB,), (B,)), holds=True)

DEFAULT = {
    "one backup, two snapshots": (replace(TWO_SNAPSHOTS, seeds=(BASED,)), None),
    "one backup, two pruners": (TWO_PRUNERS, None),
    "restore and repacking": (RESTORE_AND_REPACK, None),
    "backup and restore": (replace(BACKUP_AND_RESTORE, seeds=(TWO_PACKS,)), None),
    "two backups": (TWO_BACKUPS, 300_000),
    "backup and repacking": (BACKUP_AND_REPACK, 300_000),
    "closed sessions are let go of": (LETTING_GO, 200_000),
    "a later version holds what is forgotten": (LATER, None),
}
"""What every test run explores: whole, or breadth first up to so many states."""

LONG = {
    "one backup, two snapshots, every seed": TWO_SNAPSHOTS,
    "backup and restore, every seed": BACKUP_AND_RESTORE,
    "backup and repacking, delta in the seed": replace(
        BACKUP_AND_REPACK, seeds=(BASED,), needs=((AB,), (B,), ())
    ),
    "two backups, delta apart from its base": replace(TWO_BACKUPS, seeds=(TWO_PACKS,)),
    "two backups": TWO_BACKUPS,
    "two backups, sessions let go of": LETTING_GO,
    "backup and repacking, sessions let go of": replace(BACKUP_AND_REPACK, seeds=(BASED,), lets_go=True),
    "backup and repacking": BACKUP_AND_REPACK,
    "two wasteful backups": replace(TWO_BACKUPS, seeds=(BASED,), wasteful=True),
    "backup and repacking, two pruners": replace(
        BACKUP_AND_REPACK, seeds=(BASED,), needs=((AB,), (B,), ()), pruners=2
    ),
    "two repackings, two pruners": Scene(
        actors=("prune", "prune"), needs=((AB,), (), ()), seeds=(BASED,), pruners=2
    ),
    "backup, restore and repacking": Scene(
        actors=("backup", "restore", "prune"), needs=((AB,), (B,), (), ()), seeds=(BASED,)
    ),
    "two backups and a restore": Scene(
        actors=("backup", "backup", "restore"), needs=((AB,), (AB,), (B,), ()), seeds=(BASED,)
    ),
    "two backups and repacking": Scene(
        actors=("backup", "backup", "prune"), needs=((AB,), (AB,), (B,), ()), seeds=(BASED,)
    ),
    "three backups": Scene(
        actors=("backup", "backup", "backup"), needs=((AB,), (AB,), (B,), (A,)), seeds=(TWO_PACKS,)
    ),
}
"""What the long run adds."""
