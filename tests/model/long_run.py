"""The long exploration: ``python -m tests.model.long_run [seconds per scene] [part of a scene's name]``.

Three sessions at once, millions of states. Prints one line per scene and fails when anything is lost. Needs
some gigabytes of memory for the largest scenes.
"""

from __future__ import annotations

import sys

from tests.model.explore import explore
from tests.model.scenes import DEFAULT, LONG


def main(arguments: list[str]) -> int:
    """Explore every scene whose name fits; 0 when none loses anything."""
    seconds = float(arguments[0]) if arguments else 600.0
    part = arguments[1] if len(arguments) > 1 else ""
    scenes = {name: scene for name, (scene, _limit) in DEFAULT.items()} | LONG
    lost = 0
    for name, scene in scenes.items():
        if part not in name:
            continue
        found = explore(scene, seconds=seconds, stories=False)
        extent = "all of" if found.complete else f"up to {found.depth} steps of"
        print(
            f"{name}: {extent} it: {found.states:,} states, {found.moves:,} moves, {found.logs:,} logs, "
            f"depth {found.depth}, {found.seconds:.0f} s: {found.lost or 'nothing lost'}",
            flush=True,
        )
        lost += bool(found.lost)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
