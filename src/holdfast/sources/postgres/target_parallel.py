"""Makes indexes, keys and constraints side by side, never two at once that would wait for each other's table."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import errors as pg

from holdfast.model.errors import HoldfastError, TargetError
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition
from holdfast.sources.postgres.definitions_sql import printable
from holdfast.sources.postgres.target_place import Place
from holdfast.sources.postgres.target_schema import Making, make
from holdfast.sources.postgres.target_split import split_keys

_SHARED = frozenset({"INDEX"})
_TRIES = 5


@dataclass(slots=True)
class _Board:
    """What waits, runs, is done or failed; read and written under ``changed`` only."""

    waiting: list[Definition]
    unfinished: set[int]
    failed: dict[int, HoldfastError] = field(default_factory=dict)
    exclusive: set[int] = field(default_factory=set)
    shared: list[int] = field(default_factory=list)
    running: int = 0
    broken: HoldfastError | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)


def make_side_by_side(
    place: Place, definitions: Sequence[Definition], making: Making, *, width: int, weight: dict[int, int]
) -> dict[int, HoldfastError]:
    """Make them all on ``width`` sessions, heaviest tables first (``weight`` bytes by table id).

    Returns the failures by id; what needs a failed one fails too. A lost connection raises.
    """
    if not definitions:
        return {}
    ordered = sorted(
        split_keys(definitions, weight),
        key=lambda entry: -max((weight.get(need, 0) for need in entry.needs), default=0),
    )
    board = _Board(waiting=ordered, unfinished={entry.id for entry in ordered})
    tables = {entry.id for entry in making.definitions.of("TABLE", "MATERIALIZED VIEW", "VIEW", "FOREIGN TABLE")}
    worker = _Worker(place=place, making=making, board=board, tables=tables)
    threads = [threading.Thread(target=worker.run, name=f"post-data-{n}") for n in range(min(width, len(ordered)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if board.broken:
        raise board.broken
    return board.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    place: Place
    making: Making
    board: _Board
    tables: set[int]

    def run(self) -> None:
        """Take and make until nothing is left."""
        try:
            with self.place.session(client_encoding=self.making.definitions.encoding) as connection:
                roomy(connection)
                while (definition := self._take()) is not None:
                    self._make(connection, definition)
        except HoldfastError as error:
            self._break(error)
        except psycopg.Error as error:
            self._break(self.place.refused("the connection was lost while indexes and keys were made", error))
        except Exception as error:
            self._break(TargetError("indexes and keys could not be made", where=self.place.url, why=repr(error)))
            raise

    def _break(self, error: HoldfastError) -> None:
        with self.board.changed:
            self.board.broken = self.board.broken or error
            self.board.changed.notify_all()

    def _take(self) -> Definition | None:
        board = self.board
        with board.changed:
            while True:
                if board.broken or not board.waiting:
                    return None
                for definition in board.waiting:
                    if self._ready(definition):
                        self._claim(definition)
                        return definition
                if not board.running:  # a ring of needs: take the first in the archive's order
                    definition = min(board.waiting, key=lambda entry: entry.id)
                    self._claim(definition)
                    return definition
                board.changed.wait()

    def _ready(self, definition: Definition) -> bool:
        board = self.board
        locks = self._locks(definition)
        if locks & board.exclusive or (definition.desc not in _SHARED and locks & set(board.shared)):
            return False
        return not any(need in board.unfinished for need in definition.needs)

    def _locks(self, definition: Definition) -> set[int]:
        return {need for need in definition.needs if need in self.tables} | {definition.id}

    def _claim(self, definition: Definition) -> None:
        board = self.board
        board.waiting.remove(definition)
        board.running += 1
        if definition.desc in _SHARED:
            board.shared.extend(self._locks(definition))
        else:
            board.exclusive.update(self._locks(definition))

    def _make(self, connection: Connection, definition: Definition) -> None:
        error = self._missing_need(definition) or self._attempt(connection, definition)
        board = self.board
        with board.changed:
            board.running -= 1
            if definition.desc in _SHARED:
                for lock in self._locks(definition):
                    board.shared.remove(lock)
            else:
                board.exclusive.difference_update(self._locks(definition))
            board.unfinished.discard(definition.id)
            if error is not None and error.retryable:
                board.broken = board.broken or error
            elif error is not None:
                board.failed[definition.id] = error
            board.changed.notify_all()

    def _missing_need(self, definition: Definition) -> HoldfastError | None:
        for need in definition.needs:
            if need in self.board.failed:
                lost = self.making.definitions.get(abs(need))
                name = printable(lost) if lost else "a definition"
                return TargetError(
                    f"{printable(definition)} could not be made",
                    where=self.place.url,
                    why=f"it needs {name}, which could not be made: {self.board.failed[need].why}",
                )
        return None

    def _attempt(self, connection: Connection, definition: Definition) -> HoldfastError | None:
        workers = "= DEFAULT" if self._alone() else "= 0"  # side by side, one core each, costs less
        connection.execute(f"SET max_parallel_maintenance_workers {workers}")
        for _ in range(_TRIES):
            try:
                make(connection, definition, self.making, self.place)
            except TargetError as error:
                if not isinstance(error.__cause__, pg.DeadlockDetected):
                    return error
                last: HoldfastError = error
            else:
                return None
        return last

    def _alone(self) -> bool:
        """Whether nobody else has an index to build meanwhile."""
        with self.board.changed:
            return self.board.running == 1 and not any(entry.desc in _SHARED for entry in self.board.waiting)


def roomy(connection: Connection, megabytes: int = 256) -> None:
    """Give sorts of index builds and key checks room, unless the server already gives more."""
    connection.execute(
        "SELECT set_config('maintenance_work_mem', %s, false) FROM pg_settings"
        " WHERE name = 'maintenance_work_mem' AND setting::bigint < %s",
        (f"{megabytes}MB", megabytes * 1024),
    )
    connection.execute("SET synchronous_commit = off; RESET max_parallel_workers_per_gather")
