"""One thing of the application with everything that belongs to it, for programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from holdfast.api.acts import Acts
from holdfast.api.runs import Relay, run_of
from holdfast.entities.restoring import Wishes
from holdfast.model.events import Reporter, silent
from holdfast.model.snapshot import SnapshotInfo
from holdfast.system import clock
from holdfast.usecases.entity_backup import EntityBackupOrder, EntityBackupResult, entity_backup
from holdfast.usecases.entity_clone import EntityCloneOrder, EntityCloneResult, entity_clone
from holdfast.usecases.entity_delete import EntityDeleteOrder, EntityDeleteResult, entity_delete
from holdfast.usecases.entity_deleting import deleting
from holdfast.usecases.entity_finding import Subject, Version, entity_named, versions
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.wiring.build import App as Wired
from holdfast.wiring.pool import Pool

_KINDS = {
    "entity:backup": "entity-backup", "restore:in-place": "entity-restore", "entity:clone": "entity-clone",
    "delete:entity": "entity-delete",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which entity. ``key``: of two columns it is a tuple."""

    name: str
    key: Any
    limit_rows: int | None = None
    report: Relay | Reporter = silent

    @property
    def typed(self) -> str:
        """The key as it would be typed."""
        return ",".join(map(str, self.key)) if isinstance(self.key, tuple | list) else str(self.key)

    @property
    def spoken(self) -> str:
        """For people."""
        return f"{self.name} {self.typed}"

    def heard(self) -> Self:
        """The same for one call, whose run hears its events."""
        return replace(self, report=Relay(self.report))

    def subject(self, wired: Wired) -> Subject:
        """With its declaration and source. UsageError tells the nearest names."""
        declaration = entity_named(wired.settings.entities, self.name)
        return Subject(
            name=self.name, key=self.typed, declaration=declaration, source=wired.source(declaration.source),
            limit_rows=self.limit_rows, report=self.report,
        )  # fmt: skip


class Entity:
    """``app.entity("event", 42)``. Nothing is looked at before a method is called."""

    def __init__(self, pool: Pool, named: Named) -> None:
        self._pool = pool
        self._named = named

    def __repr__(self) -> str:
        return f"<entity {self._named.name} {self._named.typed}>"

    def backup(self, *, name: str | None = None, pin: bool = False) -> EntityBackupResult:
        """A snapshot of all of its rows, from one consistent point."""
        named = self._named.heard()
        with self._pool.lend() as wired:
            order = EntityBackupOrder(
                subject=named.subject(wired), name=name, pin=pin, trigger="api", created_by=clock.user(),
                config=wired.configuration.text,
            )  # fmt: skip
            with self._noted(wired, named, "entity:backup", "backup", run=order.run):
                return entity_backup(wired.repository, order)

    def versions(self) -> list[Version]:
        """Every snapshot that has it: those of it alone first, then full ones, newest first."""
        with self._pool.lend() as wired:
            Acts(wired, self._named.report).look(f"the versions of {self._named.spoken}", subject=self._named.typed)
            return list(versions(wired.repository, self._named.subject(wired)))

    def restore(
        self, from_: str | None = None, *, only: tuple[str, ...] = (), existing: str = "refuse",
        users: str | None = None, create_parents: bool = False, drop_columns: bool = False, dry_run: bool = False,
    ) -> EntityRestoreResult:  # fmt: skip
        """Bring it back, in one transaction. ``from_``: a snapshot or a time; None: the newest that has it.

        ``existing``: what becomes of rows that are there and differ: "refuse", "skip", "overwrite", "merge".
        """
        named = self._named.heard()
        with self._pool.lend() as wired:
            subject = named.subject(wired)
            wishes = Wishes(
                only=only, existing=existing, users=users or subject.declaration.users,
                create_parents=create_parents, drop_columns=drop_columns,
            )  # fmt: skip
            order = EntityRestoreOrder(
                subject=subject, from_=from_, wishes=wishes, dry_run=dry_run, created_by=clock.user()
            )
            with self._noted(wired, named, "restore:in-place", "restore", run=order.run, dry_run=dry_run):
                return entity_restore(wired.repository, order)

    def clone(
        self, *, as_: Any = None, values: Mapping[str, Any] | None = None, from_: str | None = None,
        users: str | None = None, create_parents: bool = False, dry_run: bool = False,
    ) -> EntityCloneResult:  # fmt: skip
        """Copy it: new ids, every reference inside rewritten. ``values``: columns of the copy to be set."""
        named = self._named.heard()
        with self._pool.lend() as wired:
            subject = named.subject(wired)
            order = EntityCloneOrder(
                subject=subject, as_=None if as_ is None else str(as_), values=values or {}, from_=from_,
                users=users or subject.declaration.users, create_parents=create_parents, dry_run=dry_run,
                created_by=clock.user(),
            )  # fmt: skip
            with self._noted(wired, named, "entity:clone", "a copy", run=order.run, dry_run=dry_run):
                return entity_clone(wired.repository, order)

    def delete(self, *, force: bool = False, dry_run: bool = False) -> EntityDeleteResult:
        """Delete it, once it is stored and was read back; only if the database deletes exactly what was captured."""
        named = self._named.heard()
        with self._pool.lend() as wired:
            order = self._order(wired, named, force=force, dry_run=dry_run)
            with self._noted(wired, named, "delete:entity", "deletion", run=order.run, dry_run=dry_run):
                return entity_delete(wired.repository, order)

    @contextlib.contextmanager
    def deleting(self, connection: Any) -> Iterator[SnapshotInfo]:
        """Capture it within the transaction of your own ``connection`` (psycopg, sqlite3, or a session of pymongo), in
        which you delete it.

        On entering, its rows are locked, stored and read back: a failure raises, before anything was deleted. On
        leaving, TargetError when more was deleted than captured, or only a part of it: roll back then. Commit after the
        block; nothing is committed here. Gives the snapshot that holds it.
        """
        named = self._named.heard()
        with self._pool.lend() as wired:
            order = self._order(wired, named)
            with (
                self._noted(
                    wired, named, "delete:entity", "capture before a deletion by the application", run=order.run
                ),
                deleting(wired.repository, order, connection) as captured,
            ):
                yield captured.snapshot

    @contextlib.contextmanager
    def _noted(
        self, wired: Wired, named: Named, deed: str, what: str, *, run: str, dry_run: bool = False
    ) -> Iterator[None]:
        """A run in the journal, and an act in the audit trail."""
        source = wired.settings.entities[named.name].source
        with (
            run_of(wired, _relay(named), _KINDS[deed], run, [source], dry_run=dry_run),
            Acts(wired, named.report).change(
                deed, f"{what} of {named.spoken}", source=source, subject=named.typed, dry_run=dry_run
            ),
        ):
            yield

    def _order(self, wired: Wired, named: Named, *, force: bool = False, dry_run: bool = False) -> EntityDeleteOrder:
        return EntityDeleteOrder(
            subject=named.subject(wired), force=force, dry_run=dry_run, created_by=clock.user(),
            config=wired.configuration.text,
        )  # fmt: skip


def _relay(named: Named) -> Relay:
    return named.report if isinstance(named.report, Relay) else Relay(named.report)
