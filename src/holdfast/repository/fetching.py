"""Objects out of a store, where one that cannot be read is one damaged object and not the end of the work."""

from __future__ import annotations

from holdfast.model.errors import Damaged, ObjectMissing, StorageError
from holdfast.storage.base import Storage


def fetch(storage: Storage, name: str, offset: int = 0, length: int | None = None) -> bytes:
    """The object's bytes. Damaged when the store cannot give them, for good: a bad sector, rights taken away.

    ObjectMissing, and faults that may pass, are raised as they are.
    """
    try:
        return storage.get(name, offset, length)
    except ObjectMissing:
        raise
    except StorageError as error:
        if error.retryable:
            raise
        raise Damaged(error.what, where=name, why=error.why, hint=error.hint) from error
