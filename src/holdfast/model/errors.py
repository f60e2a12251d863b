"""An error is a message to a tired operator: what failed, where, why, and what to do now."""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum


class Exit(IntEnum):
    """Exit status of the command line; the numbers are part of the interface."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    PROBLEMS_FOUND = 4
    NO_REPOSITORY = 10
    BUSY = 11
    WRONG_KEY = 12
    SOFT_SKIP = 75
    INTERRUPTED = 130


class HoldfastError(Exception):
    """A failure a person can act on.

    ``what`` one sentence, no secret in it; ``where`` the object, table, path or URL (passwords removed);
    ``why`` the cause as the lower layer told it; ``hint`` what to do, with a command where there is one.
    ``retryable`` says that the same call may succeed later.
    """

    code = "failed"
    exit = Exit.FAILED

    def __init__(
        self, what: str, *, where: str = "", why: str = "", hint: str = "", retryable: bool = False
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint
        self.retryable = retryable

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"where: {self.where}")
        if self.why:
            parts.append(f"why: {self.why}")
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n  ".join(parts)


class UsageError(HoldfastError):
    """The command line or the configuration cannot be carried out as written."""

    code = "usage"
    exit = Exit.USAGE


class AmbiguousValue(UsageError):
    """What was typed stands for several ``values`` that are there."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", values: tuple[Hashable, ...] = ()) -> None:
        super().__init__(what, where=where, hint=hint)
        self.values = values


class RepositoryMissing(HoldfastError):
    """There is no repository at that place."""

    code = "no-repository"
    exit = Exit.NO_REPOSITORY


class RepositoryBusy(HoldfastError):
    """Somebody else holds what this step needs."""

    code = "busy"
    exit = Exit.BUSY


class WrongKey(HoldfastError):
    """No key slot opens with the secret given."""

    code = "wrong-key"
    exit = Exit.WRONG_KEY


class Interrupted(HoldfastError):
    """Somebody asked this run to stop before it was done; what it had stored is reused by the next one."""

    code = "interrupted"
    exit = Exit.INTERRUPTED


class StorageError(HoldfastError):
    """The store did not do what was asked; ``retryable`` tells a passing fault from a lasting one."""

    code = "storage"


class ObjectMissing(StorageError):
    """No object of that name."""

    code = "object-missing"


class ObjectExists(StorageError):
    """put_new found an object of that name; nothing was changed."""

    code = "object-exists"


class StorageFull(StorageError):
    """No space left, quota reached."""

    code = "storage-full"


class Damaged(HoldfastError):
    """Stored bytes are not what was written: a flipped bit, a truncation, a swap or a replay."""

    code = "damaged"


class RolledBack(HoldfastError):
    """The repository's log is shorter than, or differs from, what this client has already seen."""

    code = "rolled-back"


class SessionExpired(HoldfastError):
    """This session was declared dead by another client; nothing may be committed through it any more."""

    code = "session-expired"


class NewerFormat(HoldfastError):
    """Written by a newer holdfast."""

    code = "newer-format"


class SourceError(HoldfastError):
    """The application's data could not be read: unreachable, refused, damaged, or changed under the reader."""

    code = "source"


class TargetError(HoldfastError):
    """A restore target cannot be written, or must not be."""

    code = "target"


class MissingTool(HoldfastError):
    """A program holdfast needs is not installed, or too old."""

    code = "missing-tool"
