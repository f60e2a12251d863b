"""The contract every store keeps. The suite in tests/contracts/storage_contract.py checks each sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Stat:
    """One stored object: its name, size in bytes, when the *store* says it was written (epoch seconds)."""

    name: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Declared differences between stores, so that callers need not guess.

    ``pack_size`` the object size this store likes best, in bytes.
    ``atomic_put_new`` False: the store ignores create-only writes; safe for a single writer only.
    ``local`` True: reading a small range costs microseconds, nothing is gained by caching.
    ``parallel`` how many requests at once are worth while.
    """

    pack_size: int = 16 << 20
    atomic_put_new: bool = True
    local: bool = False
    parallel: int = 8


class Storage(Protocol):
    """Immutable objects by name.

    Names are ASCII ``[a-z0-9._-]`` parts joined by ``/``; a store refuses any other with ValueError.
    Every method may be called from any thread. Lasting failures raise StorageError (StorageFull when out of
    space or quota); passing ones are retried inside the store first and then raised with ``retryable=True``.
    """

    @property
    def url(self) -> str:
        """Where this is, printable: no password, no query secret."""
        ...

    @property
    def traits(self) -> Traits:
        """What callers may rely on."""
        ...

    def put_new(self, name: str, data: Buffer) -> None:
        """Create ``name`` with exactly ``data``, atomically and durably, or raise ObjectExists.

        ObjectExists changed nothing. On return the object survives power loss. Readers see all of it or none
        of it. Of several racing writers exactly one succeeds. When a retry of an ambiguous failure finds the
        name taken, the store reads it back: equal bytes are success, others ObjectExists.
        """
        ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``offset``; fewer when the object ends before.

        ObjectMissing when there is no such object.
        """
        ...

    def stat(self, name: str) -> Stat:
        """Size and time of one object; ObjectMissing when there is none."""
        ...

    def list(self, prefix: str) -> Iterator[Stat]:
        """Every object whose name starts with ``prefix`` (``""`` or ending with ``/``), in no promised order.

        Objects that existed before the call and still exist are all listed, however many.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove the object; durably. An object that is already gone is not an error."""
        ...

    def free_space(self) -> int | None:
        """Bytes that can still be written, or None where the store cannot tell."""
        ...

    def close(self) -> None:
        """Release connections. The object must not be used afterwards."""
        ...
