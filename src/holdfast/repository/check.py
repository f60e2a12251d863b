"""Verify a repository: does every reference resolve, and is every byte what was written?

Findings name the object, and the snapshots and items that would suffer. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.crypto.keys import parse_slot
from holdfast.model.errors import HoldfastError, NewerFormat, ObjectMissing
from holdfast.model.ids import short
from holdfast.repository import audit_check
from holdfast.repository.check_chunks import References
from holdfast.repository.check_data import PackReading
from holdfast.repository.checkpoint import LoggedSnapshot
from holdfast.repository.fetching import fetch
from holdfast.repository.findings import REPAIR_INDEX, Found
from holdfast.repository.layout import key_path
from holdfast.repository.log import Log
from holdfast.repository.readings import PacksRead
from holdfast.repository.rebuild import unindexed
from holdfast.repository.vault import Vault
from holdfast.repository.victims import name_victims


@dataclass(slots=True)
class Examination:
    """One check. ``found`` is what it found; ``advance`` hears how many bytes of packs were read."""

    vault: Vault
    found: Found = field(default_factory=Found)
    advance: Callable[[int], None] = lambda _size: None
    living: list[LoggedSnapshot] = field(default_factory=list)

    def structure(self) -> None:
        """Log, index, packs and manifests agree; every chunk a living snapshot names can be found."""
        self.living = self.vault.log.state.living()
        self._log()
        self._keys()
        self.found.findings += audit_check.verify(self.vault).found.findings
        for error in self.vault.index.damaged:
            self.found.add(error.what, error.where, hint=REPAIR_INDEX)
        References(self.vault, self.found).examine(self.living)
        if (self.found.bad or self.found.findings) and unindexed(self.vault):
            self.found.add("packs are there that the index does not know", "index/", hint=REPAIR_INDEX)

    def read_data(self, share: float, last: Mapping[bytes, datetime]) -> PacksRead:
        """Read ``share`` (0-1] of the packs whole and verify every frame; ``last``: when each was read well before."""
        return PackReading(self.vault, self.found, self.advance).read(share, last)

    def name_victims(self) -> None:
        """Turn the bad chunks into findings that name snapshots and items."""
        name_victims(self.vault, self.found, self.living)

    def _log(self) -> None:
        """Every record from the first on, without help from checkpoints."""
        fresh = Log(self.vault.storage, self.vault.sealer)
        try:
            fresh.load(checkpoints=False)
        except HoldfastError as error:
            self.found.add(error.what, error.where, [error.why] if error.why else [], error.hint)
            return
        for damage in fresh.damages:
            self.found.add(damage.what, damage.where, [damage.why] if damage.why else [], damage.hint)
        for number, reason in fresh.state.voids:
            self.found.add(
                f"log record {number} breaks the protocol and counts for nothing", f"log/{number:012d}", [reason]
            )
        for name in fresh.checkpoints():
            if not fresh.has_true_checkpoint(name):
                self.found.add("a checkpoint of the log is damaged", name, hint="delete it: it only saves readers time")

    def _keys(self) -> None:
        """Every key slot the log knows is there and whole."""
        for key in self.vault.log.state.keys.values():
            where = key_path(key.slot)
            affected = [f"{key.slot_kind} {short(key.slot)} ({key.label}) opens nothing"]
            hint = "open with another key, then: holdfast key add, and holdfast key remove for this one"
            try:
                slot = parse_slot(fetch(self.vault.storage, where), where)
            except NewerFormat:
                continue  # it is whole, and opens for later versions
            except ObjectMissing:
                self.found.add("a key slot is missing", where, affected, hint)
            except HoldfastError as error:
                self.found.add(error.what, where, affected, hint)
            else:
                if slot.id != key.slot or slot.repository != self.vault.keyring.repository:
                    self.found.add("another key slot stands in this place", where, affected, hint)
