"""What a MongoDB server or its driver refuses, in a person's words; the driver's exceptions end here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from holdfast.model.errors import HoldfastError, SourceError, UsageError

_AUTHENTICATION = 18
_UNAUTHORIZED = 13
_TOO_OLD = (239, 246)
OUTLIVED = (*_TOO_OLD, 251, 290)  # and the transaction, aborted or expired
CURSOR_LOST = (43, 237)
_LOST = (*OUTLIVED, *CURSOR_LOST, 286)  # and the history of the change stream


class Somewhere(Protocol):
    """What an error tells of a place."""

    @property
    def url(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def database(self) -> str: ...
    @property
    def password(self) -> str | None: ...


def translated(
    error: Exception, place: Somewhere, *, doing: str, kind: type[HoldfastError] = SourceError
) -> HoldfastError:
    """``error`` as a HoldfastError of ``kind``; its text never holds the password."""
    why = scrubbed(_why(error), place)
    if isinstance(error, InvalidURI | ConfigurationError | ValueError):
        return UsageError("the MongoDB URL cannot be used", where=place.url, why=why)
    if isinstance(error, OperationFailure):
        return _refused(error, place, doing, kind, why)
    if isinstance(error, ServerSelectionTimeoutError):
        return kind(
            "the MongoDB server cannot be reached", where=place.url, why=why, retryable=True,
            hint="check host and port, and for a replica set that its members' names resolve here",
        )
    if isinstance(error, AutoReconnect | ConnectionFailure | ExecutionTimeout):
        return kind(
            f"{doing}: the connection was lost", where=place.url, why=why, retryable=True,
            hint="run it again; nothing of this attempt counts",
        )
    return kind(doing, where=place.url, why=why)


def _refused(
    error: OperationFailure, place: Somewhere, doing: str, kind: type[HoldfastError], why: str
) -> HoldfastError:
    if error.code == _AUTHENTICATION:
        return kind(
            "the MongoDB server refuses the login", where=place.url, why=why,
            hint=f"check user and password; a user kept in another database needs {place.url}?authSource=admin",
        )
    if error.code == _UNAUTHORIZED:
        return kind(f"{doing}: not allowed", where=place.url, why=why, hint=least_privilege(place))
    if error.code in _LOST:
        return kind(
            f"{doing}: the server no longer has the point that was being read", where=place.url, why=why,
            retryable=True,
            hint="run it again, or let the server keep history for longer: db.adminCommand({setParameter: 1, "
            "minSnapshotHistoryWindowInSeconds: 3600})",
        )  # fmt: skip
    return kind(doing, where=place.url, why=why)


@contextmanager
def translating(
    place: Somewhere, *, doing: str, kind: type[HoldfastError] = SourceError
) -> Iterator[None]:
    """Whatever the driver raises inside becomes a HoldfastError."""
    try:
        yield
    except PyMongoError as error:
        raise translated(error, place, doing=doing, kind=kind) from error


def least_privilege(place: Somewhere) -> str:
    """What to type to make a role that can do just what a backup needs, and a user that has it."""
    database = json.dumps(place.database)
    user = json.dumps(place.user or "holdfast")
    return (
        f"db.getSiblingDB({database}).createRole({{role: \"holdfast\", roles: [{{role: \"read\", db: {database}}}], "
        f"privileges: [{{resource: {{db: {database}, collection: \"\"}}, actions: [\"changeStream\", \"collStats\", "
        f"\"dbStats\", \"listIndexes\", \"viewUser\", \"viewRole\"]}}]}}); "
        f"db.getSiblingDB({database}).createUser({{user: {user}, pwd: passwordPrompt(), roles: [\"holdfast\"]}}) "
        f"or, for one that exists: grantRolesToUser({user}, [{{role: \"holdfast\", db: {database}}}])"
    )


def scrubbed(text: str, place: Somewhere) -> str:
    """``text`` without the password, should anything have put it there."""
    return text.replace(place.password, "***") if place.password else text


def _why(error: Exception) -> str:
    if isinstance(error, OperationFailure):
        told = error.details.get("errmsg") if isinstance(error.details, dict) else None
        return f"{told or str(error).partition(', full error')[0]} (code {error.code})"
    return str(error).partition(", Topology Description")[0].partition(" (configured timeouts")[0]
