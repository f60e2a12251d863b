"""Brings the rows of one saved table into the living one: compared on the server, row by row, bit by bit.

The saved rows are staged in a temporary table. Rows are matched by a key that no row lacks, or, where there is
none, as a multiset: equal rows are paired off one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from holdfast.model.errors import Damaged, TargetError
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.inplace_living import Living
from holdfast.sources.postgres.load import Stretch, load_segment, stretch_name
from holdfast.sources.postgres.names import quote
from holdfast.sources.postgres.target_saved import Saved


@dataclass(slots=True, kw_only=True)
class Merged:
    """Rows by what became (or would become) of them. ``blocked``: kept out by another row's unique value.

    ``differing``: left as they are now, because nothing was to be overwritten; ``unchanged`` counts them too.
    """

    create: int = 0
    change: int = 0
    delete: int = 0
    unchanged: int = 0
    blocked: int = 0
    differing: int = 0
    lost: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """The numbers a plan shows."""
        return {
            "create": self.create,
            "change": self.change,
            "delete": self.delete,
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """``overwrite`` what differs, delete what the snapshot has not (``exact``)."""

    overwrite: bool
    exact: bool


class Staged:
    """The saved rows of one table beside the living ones, in one open transaction."""

    def __init__(self, connection: Connection, saved: Saved, item: Item, living: Living, number: int) -> None:
        self._connection = connection
        self._saved = saved
        self._item = item
        self._living = living
        self.stage = f'pg_temp."holdfast_stage_{number}"'
        self._names = saved.columns(item) or []
        self._key = [column for column in living.key if column.name in self._names]
        if len(self._key) != len(living.key):
            self._key = []
        self.lost: list[str] = []
        self._blocked = 0
        self._differing = 0

    @property
    def _listed(self) -> str:
        return ", ".join(map(quote, self._names))

    @property
    def _ours(self) -> str:
        """The living rows that a snapshot may hold: of an extension's table only those that are not its own."""
        return f"ONLY {self._living.sql} {self._living.condition or ''}"

    @property
    def _extra(self) -> str:
        """WHERE … for the living rows ``t`` that the snapshot does not have, where there is a key."""
        ours = f" AND t.ctid IN (SELECT ctid FROM {self._ours})" if self._living.condition else ""
        return f"WHERE NOT EXISTS (SELECT FROM {self.stage} s WHERE {self._same_key()}){ours}"

    def fill(self, content: Content) -> None:
        """Load the saved rows. Stretches that are damaged are left out and told in ``lost``."""
        bare = self.stage.removeprefix("pg_temp.")
        self._run(
            f"CREATE TEMP TABLE {bare} ON COMMIT DROP AS SELECT {self._listed} FROM ONLY {self._living.sql}"
            " WITH NO DATA"
            if self._names
            else f"CREATE TEMP TABLE {bare} () ON COMMIT DROP"
        )
        for segment in self._item.segments:
            stretch = Stretch(self._saved, self._item, segment, into=self.stage)
            try:
                with self._connection.transaction():
                    rows = load_segment(self._connection, stretch, content)
            except Damaged as error:
                self.lost.append(
                    f"{stretch_name(segment)}: {segment.rows} rows are damaged in the repository ({error.what})"
                )
                continue
            if rows != segment.rows:
                raise TargetError(
                    "the server counts other rows than the snapshot",
                    where=self._item.label,
                    why=f"{stretch_name(segment)}: {rows} instead of {segment.rows}",
                )
        self._run(f"ANALYZE {self.stage}")
        self._check_key()

    def _check_key(self) -> None:
        if not self._key:
            return
        listed = ", ".join(quote(column.name) for column in self._key)
        alike = ", ".join(f"{quote(column.name)}{column.collate}" for column in self._key)
        missing = " OR ".join(f"{quote(column.name)} IS NULL" for column in self._key)
        found = self._value(f"SELECT count(*) FROM (SELECT FROM {self.stage} GROUP BY {alike} HAVING count(*) > 1) d")
        empty = self._value(f"SELECT count(*) FROM {self.stage} WHERE {missing}")
        if found or empty:
            raise TargetError(
                "the saved rows do not keep the key the table has now",
                where=self._item.label,
                why=f"{found} values of ({listed}) occur more than once, {empty} rows lack one",
                hint="restore into a new database and bring the rows over by hand",
            )

    def compare(self, mode: Mode) -> Merged:
        """Count, change nothing."""
        total = self._value(f"SELECT count(*) FROM {self.stage}")
        if self._key:
            matched, changed = self._matched()
        else:
            matched, changed = total - self._value(f"SELECT count(*) FROM ({self._unpaired('stage')}) m"), 0
        return Merged(
            create=total - matched,
            change=changed if mode.overwrite else 0,
            delete=self._surplus(matched) if mode.exact else 0,
            unchanged=matched - (changed if mode.overwrite else 0),
            differing=0 if mode.overwrite else changed,
            lost=tuple(self.lost),
        )

    @property
    def names(self) -> list[str]:
        """The saved columns."""
        return self._names

    def writing(self, mode: Mode, condition: str) -> int:
        """How many of the saved rows that would be written meet an SQL condition on their columns."""
        if self._key:
            changed = f" OR {self._differs()}" if mode.overwrite else ""
            places = (
                f"SELECT s.ctid FROM {self.stage} s LEFT JOIN ONLY {self._living.sql} t ON {self._same_key()}"
                f" WHERE t.ctid IS NULL{changed}"
            )
        else:
            places = self._unpaired("stage")
        return self._value(f"SELECT count(*) FROM {self.stage} WHERE ({condition}) AND ctid IN ({places})")

    def _surplus(self, matched: int) -> int:
        if self._key and self._living.condition:
            return self._value(f"SELECT count(*) FROM ONLY {self._living.sql} t {self._extra}")
        return self._value(f"SELECT count(*) FROM {self._ours}") - matched

    def _matched(self) -> tuple[int, int]:
        """Saved rows whose key is there, and how many of them differ."""
        row = self._connection.execute(
            f"SELECT count(*), count(*) FILTER (WHERE {self._differs()}) FROM {self.stage} s"
            f" JOIN ONLY {self._living.sql} t ON {self._same_key()}"
        ).fetchone() or (0, 0)
        return int(row[0]), int(row[1])

    def delete(self) -> int:
        """Delete the rows the snapshot does not have."""
        if self._key:
            return self._run(f"DELETE FROM ONLY {self._living.sql} t {self._extra}")
        return self._run(f"DELETE FROM ONLY {self._living.sql} WHERE ctid IN ({self._unpaired('living')})")

    def write(self, mode: Mode) -> tuple[int, int, int]:
        """Change what differs (when asked to), add what is missing; (added, changed, blocked)."""
        self._differing = 0 if mode.overwrite or not self._key else self._matched()[1]
        changed = self._change() if mode.overwrite and self._key else 0
        if self._key:
            missing = (
                f"SELECT {self._prefixed()} FROM {self.stage} s WHERE NOT EXISTS"
                f" (SELECT FROM ONLY {self._living.sql} t WHERE {self._same_key()})"
            )
        else:
            missing = f"SELECT {self._prefixed()} FROM {self.stage} s WHERE s.ctid IN ({self._unpaired('stage')})"
        wanted = self._value(f"SELECT count(*) FROM ({missing}) m")
        listed = f" ({self._listed})" if self._names else ""
        # the server refuses ON CONFLICT beside rules and keys checked later: there a clash stops everything
        gentle = "" if mode.exact or self._living.ruled or self._living.deferrable else " ON CONFLICT DO NOTHING"
        added = self._run(f"INSERT INTO {self._living.sql}{listed} OVERRIDING SYSTEM VALUE {missing}{gentle}")
        self._blocked = wanted - added
        return added, changed, self._blocked

    @property
    def left_differing(self) -> int:
        """Rows that were left although the snapshot has them otherwise, as counted before writing."""
        return self._differing

    def confirm(self, mode: Mode) -> None:
        """Look again, where rules or triggers may have had a say. TargetError when rows are not as written."""
        left = self.compare(Mode(overwrite=True, exact=mode.exact))
        if left.create <= self._blocked and left.change <= self._differing and not left.delete:
            return
        raise TargetError(
            "a rule or a trigger changed what was restored; nothing was changed",
            where=self._item.label,
            why=f"{left.create} rows are missing, {left.change} differ, {left.delete} were not deleted",
            hint="switch it off (ALTER TABLE … DISABLE TRIGGER or DISABLE RULE), restore, and switch it on again",
        )

    def drop(self) -> None:
        """Free the staged rows."""
        self._run(f"DROP TABLE {self.stage}")

    def _change(self) -> int:
        self._check_followed()
        fixed = [name for name in self._names if self._living.columns[name].identity == "a"]
        settable = [name for name in self._names if name not in fixed]
        key = {column.name for column in self._key}
        if not settable or any(name not in key for name in fixed):
            return self._replace()
        pairs = ", ".join(f"{quote(name)} = s.{quote(name)}" for name in settable)
        statement = (
            f"UPDATE ONLY {self._living.sql} t SET {pairs} FROM {self.stage} s"
            f" WHERE {self._same_key()} AND ({self._differs()})"
        )
        try:
            with self._connection.transaction():
                return self._run(statement)
        except (psycopg.errors.UniqueViolation, psycopg.errors.ExclusionViolation):
            return self._replace()  # values that rows swap among themselves clash half way

    def _spreads(self, doing: str) -> TargetError:
        return TargetError(
            f"rows cannot be replaced: {doing} them would change other tables through a foreign key",
            where=self._item.label,
            hint="use a role that may set session_replication_role; nothing was changed",
        )

    def _check_followed(self) -> None:
        columns = [self._living.columns[name] for name in self._names if name in self._living.followed]
        moved = " OR ".join(column.differs("s", "t") for column in columns)
        if moved and self._value(
            f"SELECT count(*) FROM {self.stage} s JOIN ONLY {self._living.sql} t ON {self._same_key()} WHERE {moved}"
        ):
            raise self._spreads("updating")

    def _replace(self) -> int:
        """Take the rows that differ out and put the saved ones in; only where nothing hangs on the old ones."""
        if self._living.cascades:
            raise self._spreads("deleting")
        if set(self._living.columns) - set(self._names) - self._computed():
            raise TargetError("rows cannot be replaced without losing columns added since", where=self._item.label)
        changed = f'{self.stage.removesuffix(chr(34))}_changed"'
        bare = changed.removeprefix("pg_temp.")
        self._run(
            f"CREATE TEMP TABLE {bare} ON COMMIT DROP AS SELECT s.* FROM {self.stage} s"
            f" JOIN ONLY {self._living.sql} t ON {self._same_key()} WHERE {self._differs()}"
        )
        self._run(f"DELETE FROM ONLY {self._living.sql} t USING {changed} s WHERE {self._same_key()}")
        return self._run(
            f"INSERT INTO {self._living.sql} ({self._listed}) OVERRIDING SYSTEM VALUE"
            f" SELECT {self._listed} FROM {changed}"
        )

    def _computed(self) -> set[str]:
        return {name for name, column in self._living.columns.items() if column.generated}

    def _same_key(self) -> str:
        return " AND ".join(
            f"t.{quote(column.name)} {column.operator} s.{quote(column.name)}{column.collate}" for column in self._key
        )

    def _differs(self) -> str:
        return " OR ".join(f"({self._living.columns[name].differs('s', 't')})" for name in self._names) or "false"

    def _prefixed(self) -> str:
        return ", ".join(f"s.{quote(name)}" for name in self._names)

    def _unpaired(self, side: str) -> str:
        """SELECT the ctids on one side that have no partner on the other, equal rows paired one to one."""
        row = f'ROW({self._listed})::pg_catalog.text COLLATE "C"'
        numbered = "SELECT ctid AS place, {row} AS line, row_number() OVER (PARTITION BY {row}) AS n FROM {table}"
        stage = numbered.format(row=row, table=self.stage)
        living = numbered.format(row=row, table=self._ours)
        left, right = (stage, living) if side == "stage" else (living, stage)
        return (
            f"SELECT a.place FROM ({left}) a LEFT JOIN ({right}) b ON a.line = b.line AND a.n = b.n WHERE b.n IS NULL"
        )

    def _run(self, statement: str) -> int:
        return self._connection.execute(statement).rowcount

    def _value(self, query: str) -> int:
        row = self._connection.execute(query).fetchone()
        return int(row[0]) if row else 0
