"""Compares what lies beside the rows with the snapshot: definitions, sequences, large objects, sliced rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import psycopg

from holdfast.model.errors import HoldfastError
from holdfast.model.plans import ItemResult
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content, RestoreRequest
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_sql import printable
from holdfast.sources.postgres.inplace_catalog import keep_still, read_catalog
from holdfast.sources.postgres.inplace_living import Living
from holdfast.sources.postgres.inplace_merge import Mode, Staged
from holdfast.sources.postgres.inplace_repair import living_definitions
from holdfast.sources.postgres.readback_largeobjects import compare_large_objects
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_place import reason
from holdfast.sources.postgres.target_saved import Saved
from holdfast.sources.postgres.target_schema import about_database

_APART = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES", "STATISTICS DATA"})
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One target, one snapshot."""

    aim: Aim
    saved: Saved
    content: Content
    request: RestoreRequest
    environ: Mapping[str, str]

    def definitions(self) -> ItemResult | None:
        """Every definition of the snapshot is in the target, with the same text where server and pg_dump allow."""
        definitions = self.saved.definitions(self.content)
        if definitions is None:
            return None
        living = living_definitions(self.aim.place, self.aim.server.version, self.environ)
        choice = self.saved.choice(definitions)
        wanted = list(self._wanted(choice.entries if choice else definitions.entries))
        now = {entry.identity: entry for entry in living.entries}
        missing = [printable(entry) for entry in wanted if entry.identity not in now]
        differing: list[str] = []
        if _alike(definitions, living) and not self.aim.in_place:
            differing = [
                printable(entry)
                for entry in wanted
                if entry.identity in now and self._differs(entry, now[entry.identity])
            ]
        problems = [*_few("missing", missing), *_few("different", differing)]
        return ItemResult(
            name="definitions",
            action="verify",
            rows=None,
            status="failed" if problems else "ok",
            detail="; ".join(problems) or f"{len(wanted)} definitions compared",
        )

    def _wanted(self, entries: Iterable[Definition]) -> Iterator[Definition]:
        for entry in entries:
            if entry.desc in _APART or about_database(entry):
                continue
            if entry.desc in {"ACL", "DEFAULT ACL"} and (not self.request.acl or self.aim.in_place):
                continue
            if entry.desc in {"COMMENT", "SECURITY LABEL"} and self.aim.in_place:
                continue
            yield entry

    def _differs(self, saved: Definition, now: Definition) -> bool:
        if self.request.owner and self.aim.server.superuser and saved.owner != now.owner:
            return True
        if saved.desc in {"ACL", "DEFAULT ACL"} and not self.aim.server.superuser:
            return False  # grantors differ
        return saved.create != now.create or saved.tablespace != now.tablespace

    def sequences(self, items: Iterable[Item]) -> Iterator[ItemResult]:
        """The same value (in a living database: at least as far)."""
        with self.aim.place.session() as connection:
            for item in items:
                yield self._sequence(connection, item)

    def _sequence(self, connection: Connection, item: Item) -> ItemResult:
        notes = item.notes or {}
        try:
            row = connection.execute(
                "SELECT c.last_value, c.is_called, s.seqincrement FROM pg_catalog.pg_sequence s,"
                f" {self.saved.sql(item)} c WHERE s.seqrelid = %s::regclass",
                (self.saved.sql(item),),
            ).fetchone()
        except psycopg.Error as error:
            return ItemResult(name=item.label, action="verify", rows=None, status="failed", detail=reason(error))
        wanted = (notes.get("last_value"), bool(notes.get("is_called")))
        if row is None or wanted[0] is None:
            return ItemResult(name=item.label, action="verify", rows=None, status="ok", detail="no value to compare")
        sign = 1 if row[2] > 0 else -1
        behind = (row[0] * sign, row[1]) < (int(wanted[0]) * sign, wanted[1])
        wrong = behind if self.aim.in_place else (row[0], row[1]) != (int(wanted[0]), wanted[1])
        return ItemResult(
            name=item.label,
            action="verify",
            rows=None,
            status="failed" if wrong else "ok",
            detail=f"is at {row[0]}, the snapshot at {wanted[0]}" if wrong else "",
        )

    def staged(self, items: Iterable[Item], mode: Mode) -> Iterator[ItemResult]:
        """Compare tables on the server: where rows are too large to be read as lines, or only some must be there."""
        with self.aim.place.session() as connection:
            catalog = read_catalog(connection)
            keep_still(connection, catalog)
            for item in items:
                connection.execute("BEGIN")
                try:
                    yield self._staged(connection, item, mode, catalog.relations.get(self.saved.name(item)))
                finally:
                    if not connection.closed:
                        connection.execute("ROLLBACK")

    def _staged(self, connection: Connection, item: Item, mode: Mode, living: Living | None) -> ItemResult:
        if living is None:
            return ItemResult(name=item.label, action="verify", rows=None, status="failed", detail="is not there")
        try:
            staged = Staged(connection, self.saved, item, living, 0)
            staged.fill(self.content)
            merged = staged.compare(mode)
        except psycopg.Error as error:
            return ItemResult(name=item.label, action="verify", rows=None, status="failed", detail=reason(error))
        except HoldfastError as error:
            return ItemResult(name=item.label, action="verify", rows=None, status="failed", detail=error.what)
        counts = merged.counts()
        told = {
            "create": "rows are missing",
            "change": "rows differ",
            "delete": "rows are not in the snapshot",
        }
        detail = "; ".join([*(f"{counts[what]} {words}" for what, words in told.items() if counts[what]), *merged.lost])
        return ItemResult(
            name=item.label,
            action="verify",
            rows=item.rows,
            status="failed" if detail else "ok",
            detail=detail or "compared on the server and equal",
        )

    def large_objects(self, item: Item) -> ItemResult:
        """Every saved byte is there and nothing behind it."""
        with self.aim.place.session() as connection:
            keep_still(connection, read_catalog(connection))
            connection.execute("BEGIN")
            try:
                found = compare_large_objects(connection, item, self.content)
                wrong = found.missing + found.differing
                detail = f"{wrong} large objects differ" if wrong else ""
            except psycopg.Error as error:
                detail = reason(error)
            except HoldfastError as error:
                detail = error.what
            if not connection.closed:
                connection.execute("ROLLBACK")
        return ItemResult(
            name=item.label, action="verify", rows=None, status="failed" if detail else "ok", detail=detail
        )


def _alike(saved: Definitions, living: Definitions) -> bool:
    """Whether both archives word things alike: the same server version, and so the same pg_dump."""
    return saved.server_version.partition(".")[0] == living.server_version.partition(".")[0]


def _few(word: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{word}: {', '.join(names[:_SHOWN])}{more}"]
