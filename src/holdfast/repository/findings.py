"""What a check finds: problems in words, and the chunks and packs behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from holdfast.model.ids import short
from holdfast.model.snapshot import Item
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.vault import Vault

REPAIR_INDEX = "holdfast check --repair-index rebuilds the index from the packs"
HEALS = (
    "holdfast check --read-data --repair-index, then holdfast backup while the source still has the data;"
    " or bring the object back from a copy"
)
_NAMED_ITEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem: ``affects`` lists snapshots and items in words."""

    what: str
    where: str
    affects: tuple[str, ...] = ()
    hint: str = ""


@dataclass(slots=True)
class Found:
    """Everything one check found.

    ``bad``: chunks that cannot be read, each with the object at fault; ``baseless`` those among them that are deltas
    which only lack their base; ``missing`` packs; ``unread`` when the manifest of a living snapshot could not be read.
    """

    findings: list[Finding] = field(default_factory=list)
    bad: dict[bytes, str] = field(default_factory=dict)
    baseless: set[bytes] = field(default_factory=set)
    missing: set[bytes] = field(default_factory=set)
    unread: bool = False

    def add(self, what: str, where: str, affects: Iterable[str] = (), hint: str = "") -> None:
        """Note a problem; of very many names the first ones are kept."""
        names = list(affects)
        if len(names) > _NAMED_ITEMS:
            names = [*names[:_NAMED_ITEMS], f"… and {len(names) - _NAMED_ITEMS} more"]
        self.findings.append(Finding(what=what, where=where, affects=tuple(names), hint=hint))


def still_wanted(vault: Vault, snapshot: LoggedSnapshot) -> bool:
    """Whether nobody forgot it since the check began: a prune may have freed what it held."""
    vault.log.follow()
    now = vault.log.state.snapshots.get(snapshot.info.id)
    return now is not None and not now.forgotten


def named_in(page: list[Item]) -> Iterator[tuple[bytes, str]]:
    """(chunk, item) for every chunk a page names."""
    for item in page:
        last = b""
        for segment in item.segments:
            for piece in segment.slices:
                if piece.chunk != last:
                    last = piece.chunk
                    yield last, item.label


def describe(snapshot: LoggedSnapshot) -> str:
    """A snapshot in words."""
    info = snapshot.info
    return f"snapshot {short(info.id)} of {info.source} from {info.created_at[:16]}Z"
