"""Random histories of the real repository on a store in memory, against a dictionary."""

from __future__ import annotations

import contextlib
import os
import shutil
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.faults.scripted_storage import Scripted
from tests.faults.world import (
    Rows,
    World,
    cheap_keys,
    content,
    require_tidy,
    require_whole,
    rows,
    temporary_folder,
    touched,
)

from holdfast.crypto import keys
from holdfast.model.errors import HoldfastError, StorageError
from holdfast.model.prune import PrunePolicy
from holdfast.repository import log
from holdfast.storage.memory import MemoryStorage
from holdfast.usecases.check import CheckRequest, check

HISTORIES = int(os.environ.get("HOLDFAST_LONG", "0")) or 12


class History:
    """A repository and what it must give back: ``world.model`` alive, ``dropped`` forgotten and perhaps still there."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.memory = MemoryStorage("history")
        self.world = World(temporary_folder())
        self.world.store = lambda: self.memory
        self.world.create()
        self.dropped: dict[str, Rows] = {}
        self.doubtful: dict[str, Rows] = {}
        self.data: Rows = {"t0": [rows(1, 2_000)]}
        self.number = 0

    def client(self) -> str:
        return self.rng.choice(["client", "client", "other", ""])

    def change(self) -> None:
        name = f"t{self.rng.randrange(4)}"
        if self.rng.random() < 0.2:
            self.data = {k: v for k, v in self.data.items() if k != name}
        elif name in self.data and self.rng.random() < 0.7:
            segments = list(self.data[name])
            at = self.rng.randrange(len(segments))
            segments[at] = touched(segments[at], self.rng.randrange(5))
            self.data = {**self.data, name: segments}
        else:
            sizes = self.rng.choices([10, 100, 3_000, 6_000], k=self.rng.randint(1, 3))
            self.data = {**self.data, name: [rows(self.rng.randrange(6), size) for size in sizes]}

    def back_up(self) -> None:
        self.change()
        self.number += 1
        self.world.back_up(f"n{self.number}", self.data, self.client())

    def fail(self) -> None:
        """A backup or a prune whose writes fail from some call on, with or without effect."""
        self.change()
        self.number += 1
        name, rule = f"n{self.number}", f"put_new#{self.rng.randint(1, 9)}{self.rng.choice(['', '+'])}"
        self.world.store = lambda: Scripted(self.memory, f"{rule}:{self.rng.choice(['break', 'break-after', 'full'])}")
        with contextlib.suppress(StorageError):
            if self.rng.random() < 0.6:
                self.doubtful[name] = self.data
                self.world.back_up(name, self.data, self.client())
                del self.doubtful[name]
            else:
                self.world.prune(self.policy(), self.client())
        self.world.store = lambda: self.memory
        with self.world.opened() as repository:
            for entry in repository.snapshots():
                if entry.info.name in self.doubtful:
                    self.world.model[entry.info.name] = self.doubtful.pop(entry.info.name)

    def forget(self) -> None:
        if self.world.model:
            name = self.rng.choice(sorted(self.world.model))
            data = self.world.model[name]
            self.world.forget(name, client=self.client())
            self.dropped[name] = data

    def unforget(self) -> None:
        if not self.dropped:
            return
        name = self.rng.choice(sorted(self.dropped))
        with self.world.opened(self.client()) as repository:
            found = [e.info.id for e in repository.snapshots(forgotten=True) if e.info.name == name and e.forgotten]
            with contextlib.suppress(HoldfastError):
                repository.unforget(found or ["0" * 32])
                self.world.model[name] = self.dropped.pop(name)

    def policy(self) -> PrunePolicy:
        return PrunePolicy(target_size=1 << 16, max_dead=self.rng.choice([0.0, 0.3, 0.6]), tolerated=0.0)

    def prune(self) -> None:
        self.world.prune(self.policy(), self.client())

    def lose_fragments(self) -> None:
        """Index fragments vanish, and the repair writes them anew."""
        for name in self.world.objects("index/"):
            if self.rng.random() < 0.5:
                self.memory.delete(name)
        with self.world.opened(self.client()) as repository:
            assert check(repository, CheckRequest(repair_index=True)).ok

    def read_one(self) -> None:
        with self.world.opened(self.client()) as repository:
            for entry in repository.snapshots()[-1:]:
                assert content(repository, entry) == self.world.model[entry.info.name or ""]


ODDS = {
    History.back_up: 8, History.fail: 3, History.forget: 4, History.unforget: 2, History.prune: 5,
    History.lose_fragments: 1, History.read_one: 3,
}  # fmt: skip


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32), steps=st.integers(5, 30))
def test_what_was_saved_is_given_back_after_any_history(seed: int, steps: int) -> None:
    """Backups, failures, forgetting, regret, prunes and lost fragments by three clients: restore equals the model."""
    saved = keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES, log.CHECKPOINT_EVERY
    cheap_keys()
    log.CHECKPOINT_EVERY = 16
    history = History(Random(seed))
    try:
        for step in history.rng.choices(list(ODDS), list(ODDS.values()), k=steps):
            step(history)
        require_whole(history.world)
        history.back_up()  # what an interrupted one left is kept until another has come to its end
        history.world.prune()
        history.world.prune()
        require_tidy(history.world)
        require_whole(history.world)
    finally:
        shutil.rmtree(history.world.root, ignore_errors=True)
        keys.ARGON2_MEMORY_KIB, keys.ARGON2_PASSES, keys.ARGON2_LANES, log.CHECKPOINT_EVERY = saved
