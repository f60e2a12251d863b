"""Where a restore of a PostgreSQL snapshot goes: a new database beside the source, another one, or the source itself.

``PostgresSource.target(request)`` gives ``PostgresTarget(url, password, request, source_at=PostgresSource)``:
``url`` of the source (a password in it is accepted and never shown), ``password`` or None, and a way to make a
source again, ``source_at(url, password)``, for the snapshot that is taken before an existing table is changed.
``environ`` is what pg_dump and psql may see of the environment (PATH, HOME).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count

from holdfast.model.errors import TargetError
from holdfast.model.plans import Action, ItemResult, RestorePlan, RestoreStep
from holdfast.sources.base import Content, Manifest, RestoreRequest, Source
from holdfast.sources.postgres import items as kinds
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.conninfo import Conninfo
from holdfast.sources.postgres.definitions_choice import RELATIONS
from holdfast.sources.postgres.inplace import InPlace, patterns
from holdfast.sources.postgres.inplace_living import Catalog
from holdfast.sources.postgres.names import matches, quote
from holdfast.sources.postgres.readback_all import Verifying
from holdfast.sources.postgres.target_checks import Aim, cautions, refusals, room
from holdfast.sources.postgres.target_create import unfinished
from holdfast.sources.postgres.target_new import NewPlace
from holdfast.sources.postgres.target_place import Place, look_at, place_of
from holdfast.sources.postgres.target_saved import DATA_KINDS, Saved, total_size

SourceAt = Callable[[str, str | None], Source]
_LONGEST = 63  # bytes of a name in PostgreSQL


class PostgresTarget:
    """A database to restore into. ``plan`` and ``preview`` change nothing; see the Target contract."""

    def __init__(
        self,
        source_url: str,
        password: str | None,
        request: RestoreRequest,
        *,
        source_at: SourceAt | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._source = Conninfo.parse(source_url, password)
        self._request = request
        self._source_at = source_at
        self._environ = dict(environ or {})
        self._held: tuple[Connection, Catalog] | None = None
        self._place = self._chosen_place()

    def _chosen_place(self) -> Place:
        if self._request.to is not None:
            return place_of(self._request.to, self._source)
        if self._request.in_place:
            return Place(conninfo=self._source)
        return Place(conninfo=self._source.with_database(beside(self._source.database, self._request.label)))

    def plan(self, manifest: Manifest) -> RestorePlan:
        """What would be created, changed, left alone, as far as the catalogs and the manifest tell."""
        saved = Saved(manifest, self._request.only)
        nothing = saved.only and not self._request.undo_created and not self._chooses_rows(saved)
        return self._planned(saved, saved.only if nothing else ())

    def preview(self, manifest: Manifest, content: Content) -> RestorePlan:
        """As ``plan``; for a living database with definitions and rows compared."""
        saved = self._saved(manifest, content)
        plan = self._planned(saved, self._unmatched(saved, content))
        if not plan.in_place or not plan.private.exists:
            return plan
        return self._inplace(plan.private).preview(plan, saved, content)

    def _saved(self, manifest: Manifest, content: Content) -> Saved:
        saved = Saved(manifest, self._request.only)
        if saved.only:
            saved.learn(content)
        return saved

    def _planned(self, saved: Saved, unmatched: Sequence[str]) -> RestorePlan:
        with ExitStack() as stack:
            aim, connection = self._aim(stack)
            stopping = [*refusals(aim, saved, connection), *_meaning_nothing(unmatched)]
            warnings = [*cautions(aim, saved), *_little_room(saved, connection)]
            if aim.in_place and aim.exists:
                return self._inplace(aim).plan(saved, connection, stopping, warnings)
            warnings += _left_behind(connection)
        return RestorePlan(
            target=self._place.url,
            in_place=aim.in_place,
            steps=tuple(_creations(saved)),
            warnings=tuple(warnings),
            refusals=tuple(stopping),
            private=aim,
        )

    def _inplace(self, aim: Aim) -> InPlace:
        return InPlace(aim=aim, request=self._request, environ=self._environ)

    def _chooses_rows(self, saved: Saved) -> bool:
        if saved.large_objects() is not None:
            return True
        items = saved.relations(*DATA_KINDS, kinds.KIND_SEQUENCE, kinds.KIND_MATVIEW)
        return any(saved.is_chosen(item) for item in items)

    def _unmatched(self, saved: Saved, content: Content) -> list[str]:
        """Patterns that mean nothing: one mistyped name must not pass for a restore of all that were named."""
        if self._request.undo_created:
            return []
        open_ones = [pattern for pattern in saved.only if not self._chooses_rows(saved.narrowed(pattern))]
        definitions = saved.definitions(content) if open_ones else None
        if definitions is None or (not self._request.in_place and len(open_ones) == len(saved.only)):
            return open_ones
        return [
            pattern
            for pattern in open_ones
            if not any(
                matches((pattern,), f"{quote(entry.namespace)}.{quote(entry.tag)}", entry.namespace, entry.tag)
                for entry in definitions.entries
                if entry.desc in RELATIONS
            )
        ]

    def _aim(self, stack: ExitStack) -> tuple[Aim, Connection]:
        """Look at the server through the target database, or through another one where it does not exist."""
        try:
            connection = stack.enter_context(self._place.session())
            exists = True
        except TargetError as error:
            if "no such database" not in error.what:
                raise
            connection = stack.enter_context(self._place.named(self._neighbour()).session())
            exists = False
        server = look_at(connection)
        if exists and self._request.to is None and not self._request.in_place:
            names = (beside(self._source.database, f"{self._request.label}_{number}") for number in count(2))
            self._place = self._place.named(next(name for name in names if name not in server.databases))
            exists = False
        return Aim(place=self._place, server=server, exists=exists, in_place=self._request.in_place), connection

    def _neighbour(self) -> str:
        """A database of the same server that certainly exists."""
        same = Place(conninfo=self._source).conninfo.place == self._place.conninfo.place
        return self._source.database if same and not self._request.in_place else "postgres"

    @contextmanager
    def hold(self, plan: RestorePlan) -> Iterator[None]:
        """Lock the tables of a living database that the plan changes: readers go on, writers wait."""
        if not plan.in_place or plan.refusals:
            yield
            return
        with self._inplace(plan.private).hold(plan) as held:
            self._held = held
            try:
                yield
            finally:
                self._held = None

    def touched_source(self, plan: RestorePlan) -> tuple[Source, tuple[str, ...]] | None:
        """The target database as a source, and patterns that mean exactly the tables the plan changes."""
        there = None
        if self._held is not None:
            there = {kinds.LARGE_OBJECTS, *(relation.item for relation in self._held[1].relations.values())}
        chosen = patterns(plan, there) if plan.in_place else ()
        if not chosen or self._source_at is None:
            return None
        return self._source_at(self._place.url, self._place.conninfo.password), chosen

    def apply(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Do it; counts are compared with the manifest on the way."""
        if plan.refusals:
            raise TargetError("this restore was refused", where=plan.target, why="; ".join(plan.refusals))
        saved = self._saved(manifest, content)
        if not plan.in_place:
            return NewPlace(aim=plan.private, saved=saved, content=content, request=self._request).apply()
        if self._held is not None:
            return self._inplace(plan.private).apply(plan, saved, content, self._held)
        with self._inplace(plan.private).hold(plan) as held:
            return self._inplace(plan.private).apply(plan, saved, content, held)

    def verify(self, plan: RestorePlan, manifest: Manifest, content: Content) -> list[ItemResult]:
        """Read everything back and compare it with the snapshot."""
        saved = self._saved(manifest, content)
        verifying = Verifying(
            place=self._place, request=self._request, environ=self._environ, saved=saved, content=content
        )
        return verifying.run(plan, in_place=plan.in_place)


def beside(database: str, label: str) -> str:
    """``shop_restored_20261120_0420``, shortened in its first part when the server would cut its end."""
    ending = f"_restored_{label}"
    raw = database.encode()[: _LONGEST - len(ending.encode())]
    return raw.decode("utf-8", "ignore") + ending


def _meaning_nothing(patterns: Sequence[str]) -> Iterator[str]:
    if patterns:
        yield (
            f"nothing in the snapshot matches {', '.join(patterns)}; --only chooses tables, partitions, sequences, "
            "materialized views and largeobjects (a view comes back with the whole, or in place where it is missing)"
        )


def _creations(saved: Saved) -> Iterator[RestoreStep]:
    roles = None if saved.only else saved.fixed(kinds.ROLES)
    for item in (roles, saved.fixed(kinds.DEFINITIONS), saved.large_objects()):
        if item is not None:
            yield RestoreStep(item=item.name, kind=item.kind, action=Action.CREATE, rows=None, size=item.size)
    for item in saved.chosen(*DATA_KINDS, kinds.KIND_SEQUENCE, kinds.KIND_MATVIEW):
        rows = item.rows if item.kind in DATA_KINDS else None
        yield RestoreStep(
            item=item.name,
            kind=item.kind,
            action=Action.CREATE,
            rows=rows,
            size=item.size,
            counts={"create": item.rows} if rows is not None else {},
        )


def _left_behind(connection: Connection) -> Iterator[str]:
    for name in unfinished(connection):
        yield f"the database {name} holds an unfinished restore; remove it with: DROP DATABASE {quote(name)};"


def _little_room(saved: Saved, connection: Connection) -> Iterator[str]:
    free = room(connection)
    needed = total_size(saved.chosen(*DATA_KINDS))
    if free is not None and free < needed * 3 // 2:
        yield f"the server has {free >> 20} MiB free, the restore may need {needed * 3 // 2 >> 20} MiB with its indexes"
