"""What has to change so that an entity is again what it was: decided row by row, from reading alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from holdfast.entities.asking import Find, rows_by_key
from holdfast.entities.clashes import clashes
from holdfast.entities.closure import Closure, Identity, Member
from holdfast.entities.dangling import dangling
from holdfast.entities.graph import Edge, Structure
from holdfast.entities.matching import Matches, match_shared, named_by, remapped
from holdfast.entities.relinking import pointing, relinked
from holdfast.entities.strangers import another_row
from holdfast.entities.users import users_now
from holdfast.model.exactness import same_value
from holdfast.model.records import Did, Difference, Key, Row, Table, Value
from holdfast.model.sameness import typed

CREATE, UPDATE, UNCHANGED, SKIP, BLOCKED = "create", "update", "unchanged", "skip", "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """``only``: tables; empty: all. ``existing``: what becomes of rows that are there and differ: "refuse", "skip",
    "overwrite", "merge" (what is NULL now is filled). ``users``: of references to users that are gone: "null",
    "refuse", "keep". ``create_parents``: make rows again that the entity needs and that are gone too."""

    only: tuple[str, ...] = ()
    existing: str = "refuse"
    users: str = "null"
    create_parents: bool = False
    drop_columns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of one row, and why."""

    table: str
    key: Key
    role: str
    action: str
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class Decision:
    """``changes`` to be made; ``steps`` tell of every row; ``refusals`` non-empty: nothing may be done."""

    steps: list[Step] = field(default_factory=list)
    changes: list[Difference] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def decide(closure: Closure, book: Structure, find: Find, wishes: Wishes) -> Decision:
    """Compare the entity as it was (``closure``) with what ``find`` gives now in the tables of ``book``."""
    return _Planner(closure, book, find, wishes).run()


class _Planner:
    def __init__(self, closure: Closure, book: Structure, find: Find, wishes: Wishes) -> None:
        self._closure, self._book, self._find, self._wishes = closure, book, find, wishes
        self._tables = book.tables
        self._done = Decision()
        self._now: dict[Identity, Row] = {}
        self._written: dict[Identity, Member] = {}
        self._matches: Matches = {}
        self._gone_columns: dict[str, set[str]] = {}
        self._left_out: dict[str, set[str]] = {}

    def run(self) -> Decision:
        self._check_tables()
        if self._done.refusals:
            return self._done
        self._load()
        self._matches = match_shared(self._closure, self._tables, self._find, self._now)
        chosen = self._chosen()
        nulled = self._users(chosen)
        for member in chosen:
            self._one(member, nulled.get(member.identity, {}))
        self._parents()
        self._done.refusals += clashes(self._done.changes, self._tables, self._find)
        self._linked()
        if not self._done.refusals:
            there = ((table, row) for (table, *_), row in self._now.items())
            self._done.refusals += dangling(self._book, self._find, self._done.changes, there)
        return self._done

    def _users(self, members: Sequence[Member]) -> Mapping[Identity, Mapping[str, Value]]:
        """Columns of ``members`` that name people otherwise than they did."""
        users = users_now(self._closure, members, self._tables, self._find, self._wishes.users)
        self._done.warnings += users.warnings
        self._done.refusals += users.refusals
        return users.columns

    def _chosen(self) -> list[Member]:
        only = self._wishes.only
        return [
            member for member in self._closure.members.values()
            if member.role == "owned" and (not only or member.table in only)
        ]  # fmt: skip

    # -- what the application has now

    def _check_tables(self) -> None:
        for name, members in self._closure.by_table("owned", "parent", "shared").items():
            if self._wishes.only and name not in self._wishes.only and members[0].role == "owned":
                continue
            table = self._tables.get(name)
            if table is None:
                self._refuse(f"table {name} does not exist any more ({len(members)} rows of the entity are in it)")
                continue
            known = {column.name for column in table.columns}
            gone = {column for member in members for column in member.row.values} - known if known else set()
            self._gone_columns[name] = gone
            if members[0].role == "owned":
                self._check_new(table, members)
            if gone and any(member.role == "owned" for member in members):
                self._tell_gone(name)

    def _check_new(self, table: Table, members: Sequence[Member]) -> None:
        """Columns that came later, and that rows of then have nothing for."""
        held = {column for member in members for column in member.row.values}
        for column in table.columns:
            filled = column.nullable or column.generated or column.default or column.name in table.sequences
            if column.name not in held and not filled:
                self._refuse(
                    f"column {table.name}.{column.name} came later, may not be NULL and has no default; give it one"
                )

    def _tell_gone(self, table: str) -> None:
        """Columns that a row to be written has no place for any more."""
        told = ", ".join(f"{table}.{column}" for column in sorted(self._lost(table)))
        if self._wishes.drop_columns:
            self._done.warnings.append(f"left out, because the column is gone: {told}")
        else:
            self._refuse(f"columns that are gone: {told}; leave them out with --drop-columns")

    def _load(self) -> None:
        for name, members in self._closure.by_table().items():
            table = self._tables.get(name)
            if table is None:
                continue
            columns = table.key or tuple(column for column in members[0].row.values if column not in self._lost(name))
            same = partial(typed, exact=not table.key)
            seen = rows_by_key(self._find, table, columns, [member.row.key(columns) for member in members], same)
            for member in members:
                if rows := seen.get(same(member.row.key(columns))):
                    self._now[member.identity] = rows[0] if table.key else rows.pop()

    def _lost(self, table: str) -> set[str]:
        return self._gone_columns.get(table, set())

    # -- rows of the entity

    def _one(self, member: Member, nulled: Mapping[str, Value]) -> None:
        table = self._tables[member.table]
        wanted = self._wanted(member, table, nulled)
        now = self._now.get(member.identity)
        if now is None:
            self._change(member, None, wanted)
            return
        differing = _differing(wanted, now)
        if not differing:
            self._step(member, UNCHANGED)
        elif self._wishes.existing == "skip":
            self._step(member, SKIP, f"is there and differs in {', '.join(differing)}")
        elif self._wishes.existing == "overwrite":
            self._change(member, now, _over(now, wanted), f"differs in {', '.join(differing)}")
        elif self._wishes.existing == "merge":
            filled = {name: wanted.values[name] for name in differing if now.values.get(name) is None}
            if filled:
                self._change(member, now, Row({**now.values, **filled}), f"fills {', '.join(filled)}")
            else:
                self._step(member, SKIP, f"is there and differs in {', '.join(differing)}")
        else:
            self._block(member, f"is there and differs in {', '.join(differing)}",
                        "choose --skip-existing, --overwrite or --merge")  # fmt: skip

    def _wanted(self, member: Member, table: Table, nulled: Mapping[str, Value]) -> Row:
        row = remapped(self._closure, member, self._matches)
        left_out = self._left_out.get(table.name)
        if left_out is None:
            generated = {column.name for column in table.columns if column.generated}
            left_out = self._left_out[table.name] = self._lost(table.name) | generated
        if not (left_out or nulled):
            return row
        values = {name: value for name, value in row.values.items() if name not in left_out}
        raw = b"" if nulled else row.raw
        return Row({**values, **{name: value for name, value in nulled.items() if name in values}}, raw)

    def _change(self, member: Member, now: Row | None, wanted: Row, reason: str = "") -> None:
        if member.lost and member.role != "linked":
            self._block(member, member.lost, "give the column its type back for the time of it")
            return
        did = Did.ADDED if now is None else Did.CHANGED
        table = self._tables[member.table]
        key = wanted.key(table.key) if table.key else ()
        self._done.changes.append(Difference(table=member.table, did=did, key=key, before=now, after=wanted))
        self._written[member.identity] = member
        self._step(member, CREATE if now is None else UPDATE, reason)

    # -- what rows of the entity need

    def _parents(self) -> None:
        """Rows that written rows name: there, or made again when that is allowed; and what those need in turn."""
        waiting = list(self._written.values())
        asked: set[Identity] = set()
        while waiting:
            found = list(named_by(self._closure, waiting))
            waiting = []
            for member, edge, other in found:
                if other.identity in asked or other.identity in self._written:
                    continue
                if edge.reference.to_columns in self._matches.get(other.identity, {}):
                    continue
                asked.add(other.identity)
                if (now := self._now.get(other.identity)) is not None:
                    if other.role != "owned" and (told := another_row(self._tables[other.table], other.row, now)):
                        self._done.warnings.append(f"{member.table} {_key(member)}: {told}")
                    continue
                if other.role == "owned":
                    hint = f"take {other.table} along with --only"
                    self._block(other, f"{member.table} {_key(member)} needs it and it is gone", hint)
                elif other.role != "shared" and not self._wishes.create_parents:
                    self._block(other, f"{member.table} {_key(member)} needs it and it is gone",
                                "make it again with --create-parents")  # fmt: skip
                else:
                    waiting.append(other)
            self._again(waiting)

    def _again(self, parents: Sequence[Member]) -> None:
        """Rows that do not belong to the entity, written again as they were."""
        nulled = self._users(parents) if parents else {}
        for other in parents:
            if self._lost(other.table):
                self._tell_gone(other.table)
            wanted = self._wanted(other, self._tables[other.table], nulled.get(other.identity, {}))
            self._change(other, None, wanted, "needed")

    # -- rows outside that pointed at the entity

    def _linked(self) -> None:
        """Where the reference was set to NULL by the delete, it is set again; gone rows are not ours to make."""
        if self._wishes.only:
            return
        for member in self._closure.members.values():
            if member.role == "owned" or member.identity in self._written:
                continue
            edges = list(pointing(self._closure, member))
            now = self._now.get(member.identity)
            if now is None and edges:
                self._step(member, SKIP, "is gone too, and does not belong to the entity")
            elif now is not None and edges:
                self._link(member, now, edges)

    def _link(self, member: Member, now: Row, edges: Sequence[Edge]) -> None:
        after, reasons = relinked(self._closure, self._tables[member.table], member, now, edges)
        if after is not None:
            self._change(member, now, after, "refers to it again")
        else:
            self._step(member, SKIP if reasons else UNCHANGED, "; ".join(reasons))

    # -- telling

    def _step(self, member: Member, action: str, reason: str = "") -> None:
        key = member.identity[1]
        self._done.steps.append(
            Step(table=member.table, key=key, role=member.role, action=action, reason=reason)
        )

    def _block(self, member: Member, why: str, hint: str) -> None:
        self._step(member, BLOCKED, why)
        self._refuse(f"{member.table} {_key(member)}: {why}; {hint}")

    def _refuse(self, text: str) -> None:
        self._done.refusals.append(text)


def _differing(wanted: Row, now: Row) -> list[str]:
    if wanted.raw and now.raw:
        names = dict.fromkeys((*wanted.values, *now.values))
        found = [name for name in names if not same_value(wanted.values.get(name), now.values.get(name))]
        return found or ([] if wanted.raw == now.raw else ["the bytes"])
    return [name for name, value in wanted.values.items() if not same_value(now.values.get(name), value)]


def _over(now: Row, wanted: Row) -> Row:
    """The row as it was; columns that came later stay as they are now."""
    return wanted if wanted.raw or not now.values else replace(wanted, values={**now.values, **wanted.values})


def _key(member: Member) -> str:
    return ",".join(str(value) for value in member.identity[1][:4])
