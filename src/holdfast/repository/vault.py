"""The parts of an open repository that its rooms share: where, with which keys, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.repository import guards
from holdfast.repository.index import ChunkIndex
from holdfast.repository.log import Log
from holdfast.storage.base import Storage


@dataclass(frozen=True, slots=True)
class Vault:
    """One open repository."""

    storage: Storage
    keyring: Keyring
    sealer: ObjectSealer
    log: Log
    index: ChunkIndex


class DeadPacks:
    """The packs a session must not rely on, as the log stands now (guards.usable_pack)."""

    def __init__(self, log: Log, session: str) -> None:
        self._log = log
        self._session = session

    def __contains__(self, pack: object) -> bool:
        state = self._log.state
        if not state.condemned and not state.swept:
            return False
        return not guards.usable_pack(state, pack, self._session)  # type: ignore[arg-type]
