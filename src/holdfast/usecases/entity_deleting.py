"""Capture one entity within the transaction in which the application itself deletes it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from holdfast.model.errors import UsageError
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.sources.guarding import Joining
from holdfast.usecases.delete_proof import require_captured
from holdfast.usecases.entity_delete import Captured, EntityDeleteOrder, capture, drop_if_whole, find_whole

_ENTERED = threading.Lock()
_CONNECTIONS: set[int] = set()


@contextlib.contextmanager
def deleting(repository: Repository, order: EntityDeleteOrder, connection: Any) -> Iterator[Captured]:
    """Capture it within the transaction of the application's own ``connection``, which then deletes it.

    On leaving, what the database deleted is compared with what was captured: TargetError when it was more, or only a
    part of it, so that the application rolls back. A block that deletes nothing may. Nothing is committed or rolled
    back here. What was captured stays in the trash, also after an error, unless the transaction ended within and every
    row of it is there. UsageError when one connection is in two of these.
    """
    source = order.subject.source
    if not isinstance(source, Joining):
        raise UsageError(f"a source of kind {source.kind} cannot look from within a transaction", where=source.url)
    with _alone(connection, source), source.join(connection) as book:
        captured = capture(repository, order, book, find_whole(repository, order.subject, book))
        try:
            yield captured
            require_captured(book, captured.closure)
        finally:
            # while the transaction lasts nobody knows how it ends, whatever was raised
            if book.idle():
                drop_if_whole(repository, source, captured)


@contextlib.contextmanager
def _alone(connection: object, source: Source) -> Iterator[None]:
    """UsageError when the connection is in this already."""
    with _ENTERED:
        if id(connection) in _CONNECTIONS:
            raise UsageError(
                "this connection is capturing another delete already", where=source.url,
                why="what each of the two deletes could not be told apart",
                hint="leave the first with block before the second one",
            )  # fmt: skip
        _CONNECTIONS.add(id(connection))
    try:
        yield
    finally:
        with _ENTERED:
            _CONNECTIONS.discard(id(connection))
