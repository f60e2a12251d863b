"""The parts of an open repository that its rooms share: where, with which keys, and what is known of it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from holdfast.crypto.keys import Keyring
from holdfast.crypto.seal import ObjectSealer
from holdfast.repository import guards
from holdfast.repository.audit import Trail
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
    trail: Trail


class DeadPacks:
    """The packs a session must not rely on, as the log stands now (guards.usable_pack).

    ``present``: the packs that were in storage when the session had read the index; others than its own that are
    not among them were lost, and what they held is stored anew. None: not asked, which is right for readers.
    """

    def __init__(self, log: Log, session: str, present: Container[bytes] | None = None) -> None:
        self._log = log
        self._session = session
        self._own = bytes.fromhex(session)
        self._present = present

    def __contains__(self, pack: object) -> bool:
        if self._present is not None and pack not in self._present and not self._is_own(pack):
            return True
        state = self._log.state
        if not state.condemned and not state.swept:
            return False
        return not guards.usable_pack(state, pack, self._session)  # type: ignore[arg-type]

    def _is_own(self, pack: object) -> bool:
        return isinstance(pack, bytes) and pack.startswith(self._own)
