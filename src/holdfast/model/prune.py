"""What prune knows of each pack, what it is told, and the plan that a dry run prints and a prune carries out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MIB = 1 << 20


class Fate(StrEnum):
    """What becomes of a pack."""

    KEEP = "keep"
    TAKE_BACK = "take back"    # condemned, but needed again: Uncondemn
    SWEEP = "sweep"            # condemned, nobody waits for it: freed now
    WAIT = "wait"              # condemned, but sessions that began before are still open
    CONDEMN = "condemn"        # nothing in it is needed
    REPACK = "repack"          # what is needed is copied elsewhere, then it is condemned


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFacts:
    """One pack as index, log and store know it.

    ``name`` 20 bytes: session and big-endian number. ``size`` of the object in bytes. ``live`` bytes of it
    that living snapshots resolve through this very pack, delta bases included; of several copies of a chunk
    one counts. ``writer`` is the state of the session that wrote it: "open", "closed" or "unknown".
    ``waits_for`` the open sessions that hold up the sweep of a condemned pack. ``unfinished``: of a backup that was
    interrupted, and none was committed since.
    """

    name: bytes
    size: int
    live: int
    writer: str = "closed"
    condemned: bool = False
    waits_for: tuple[str, ...] = ()
    unfinished: bool = False

    @property
    def dead(self) -> int:
        """Bytes that nobody needs."""
        return self.size - self.live

    @property
    def label(self) -> str:
        """The pack for people: the start of its session's id, and its number."""
        return f"{self.name[:4].hex()}/{int.from_bytes(self.name[16:], 'big')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePolicy:
    """How eagerly to tidy up.

    A pack is repacked when more than ``max_dead`` of it is dead, unless all that waste together is less than
    ``tolerated`` of the repository. Packs below ``small`` of ``target_size`` are merged when there are
    ``min_small`` of them. ``max_repack_bytes`` bounds the bytes copied in one prune; None: no bound.
    """

    target_size: int = 16 * MIB
    max_dead: float = 0.5
    tolerated: float = 0.05
    small: float = 0.25
    min_small: int = 4
    max_repack_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprieve:
    """What prune leaves because it was forgotten a short while ago: ids of snapshots, and the bytes only they need.

    ``first`` and ``last``: when a prune may free the first and the last of them.
    """

    snapshots: tuple[str, ...]
    size: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PackStep:
    """What will be done with one pack, and why, in words."""

    pack: PackFacts
    fate: Fate
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Every pack with its fate. ``open_sessions`` others that run now: what is condemned today waits for them."""

    steps: tuple[PackStep, ...]
    open_sessions: tuple[str, ...] = ()

    def packs(self, fate: Fate) -> list[PackFacts]:
        """The packs of one fate, in the order of the plan."""
        return [step.pack for step in self.steps if step.fate is fate]

    @property
    def moved(self) -> int:
        """Bytes that repacking copies."""
        return sum(pack.live for pack in self.packs(Fate.REPACK))

    @property
    def frees_now(self) -> int:
        """Bytes that the store gives back when this prune is through, copies deducted; may be negative."""
        condemned_today = 0 if self.open_sessions else self._condemned_today
        return sum(pack.size for pack in self.packs(Fate.SWEEP)) + condemned_today - self.moved

    @property
    def frees_later(self) -> int:
        """Bytes that a later prune frees, when the sessions that hold them are over."""
        waiting = sum(pack.size for pack in self.packs(Fate.WAIT))
        return waiting + (self._condemned_today if self.open_sessions else 0)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return all(step.fate in {Fate.KEEP, Fate.WAIT} for step in self.steps)

    @property
    def _condemned_today(self) -> int:
        return sum(pack.size for fate in (Fate.CONDEMN, Fate.REPACK) for pack in self.packs(fate))

    def summary(self) -> Iterator[str]:
        """The plan in a few lines: what happens to how much, and what that frees."""
        size = sum(step.pack.size for step in self.steps)
        live = sum(step.pack.live for step in self.steps)
        yield f"{_count(len(self.steps))}, {_size(size)}, of which {_size(live)} are needed"
        for fate in Fate:
            packs = self.packs(fate)
            if packs:
                yield f"  {fate.value:<11}{_count(len(packs)):>12}{_size(sum(p.size for p in packs)):>12}"
        if self.moved:
            yield f"copies {_size(self.moved)} into new packs"
        if self.frees_now:
            yield f"{'frees' if self.frees_now > 0 else 'takes'} {_size(abs(self.frees_now))} now"
        else:
            yield "frees nothing now"
        if self.frees_later:
            yield f"frees {_size(self.frees_later)} in a later prune, after {self._holders()}"

    def details(self) -> Iterator[str]:
        """One line for each pack to which something happens, or that waits."""
        for step in self.steps:
            if step.fate is not Fate.KEEP:
                yield f"{step.fate.value:<11}{step.pack.label:<14}{_size(step.pack.size):>10}  {step.reason}"

    def _holders(self) -> str:
        waiting = [session for pack in self.packs(Fate.WAIT) for session in pack.waits_for]
        today = self.open_sessions if self._condemned_today else ()
        names = sorted({session[:8] for session in (*waiting, *today)})
        return ("session " if len(names) == 1 else "sessions ") + ", ".join(names) + " ended"


def _count(packs: int) -> str:
    return f"{packs} pack" + ("" if packs == 1 else "s")


def _size(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if abs(size) >= MIB // 10 or not size else f"{size} B"
