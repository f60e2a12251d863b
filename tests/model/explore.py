"""Breadth first through everything that can happen, until all is seen or something is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from tests.model.actors import Scene, Stage, State


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """``lost`` names the broken promise ("" when none) and ``story`` the shortest way to it.

    ``states`` seen, ``logs`` that differ in what matters, ``complete`` when nothing was left unseen,
    ``depth`` the longest shortest way.
    """

    lost: str
    story: tuple[str, ...]
    states: int
    logs: int
    moves: int
    depth: int
    complete: bool
    seconds: float


def explore(
    scene: Scene,
    *,
    limit: int = 10**9,
    seconds: float = 1e9,
    stories: bool = True,
    visit: Callable[[Stage, State], None] | None = None,
) -> Outcome:
    """Everything reachable in ``scene``, up to ``limit`` states or ``seconds``; ``visit`` sees each state once.

    Without ``stories`` a state is remembered by its 64-bit hash alone, which takes a tenth of the memory; the
    chance that two of ten million states share one is below one in a hundred thousand.
    """
    stage = Stage(scene)
    began = monotonic()
    came_from: dict[State, tuple[State, str] | None] = {}
    hashes: set[int] = set()
    layer: list[State] = []
    for start in stage.starts():
        layer.append(start)
        hashes.add(hash(start))
        came_from[start] = None
    moves = depth = 0
    lost: State | None = None
    over = False
    while layer and lost is None and not over:
        following: list[State] = []
        for state in layer:
            if visit is not None:
                visit(stage, state)
            for label, successor in stage.moves(state):
                moves += 1
                if stories:
                    if successor in came_from:
                        continue
                    came_from[successor] = (state, label)
                else:
                    key = hash(successor)
                    if key in hashes:
                        continue
                    hashes.add(key)
                if stage.broken(successor):
                    lost = successor
                    break
                following.append(successor)
            if lost is not None:
                break
            if len(came_from) + len(hashes) > limit or monotonic() - began > seconds:
                over = True
                break
        layer = following
        depth += 1
    return Outcome(
        lost=stage.broken(lost) if lost is not None else "",
        story=_story(came_from, lost) if stories and lost is not None else (),
        states=len(came_from) if stories else len(hashes),
        logs=len(stage.log.logs),
        moves=moves,
        depth=depth,
        complete=lost is None and not over,
        seconds=monotonic() - began,
    )


def _story(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    steps: list[str] = []
    origin = came_from[state]
    while origin is not None:
        steps.append(origin[1])
        origin = came_from[origin[0]]
    return tuple(reversed(steps))
