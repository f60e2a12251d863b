"""The statements that read a stretch of a table, and those that tell whether it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.sources.postgres.catalog import is_base
from holdfast.sources.postgres.names import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.sources.postgres.catalog import Columns, Relation, TypeMade

SEGMENT_BLOCKS = 512
_HUGE = 256 << 20
_TOAST_WORTH_A_LOOK = 1 << 20
_BYTEA_PIECE = 4 << 20
_TEXT_PIECE = 16 << 20
_TEXTUAL = ("text", "character varying")
# the row version's place and transaction, mixed twice: equal sums mean equal rows. age() is the cheap way from
# xid to number; taken relative to xid 3 it does not move with the clock of transactions.
VERSIONS = (
    "SELECT ctid AS t, (age('3'::xid)::int8 - age(xmin)) & 4294967295 AS x FROM ONLY {table}{where} OFFSET 0"
)
SUMS = "count(*), sum(hashtidextended(v.t, v.x)), sum(hashtidextended(v.t, ~v.x))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Blocks ``start`` up to ``end`` (None: to the end of the table) of a relation."""

    start: int
    end: int | None
    key: str

    @property
    def where(self) -> str:
        """The condition that selects it; nothing for a whole table."""
        if self.end is None and self.start == 0:
            return ""
        upper = f" AND ctid < '({self.end},0)'" if self.end is not None else ""
        return f" WHERE ctid >= '({self.start},0)'{upper}"


def stretches(relation: Relation, block_size: int, *, ranged: bool) -> list[Stretch]:
    """How a table is divided: on a fixed grid of blocks, so that the same blocks meet again next time.

    The last stretch is read to the table's end, whatever its key says.
    """
    blocks = -(-relation.size // block_size)
    if blocks <= SEGMENT_BLOCKS or not ranged:
        return [Stretch(start=0, end=None, key="0-")] if blocks else []
    starts = range(0, blocks, SEGMENT_BLOCKS)
    return [
        Stretch(
            start=start, key=f"{start}-{start + SEGMENT_BLOCKS}",
            end=start + SEGMENT_BLOCKS if start + SEGMENT_BLOCKS < blocks else None,
        )
        for start in starts
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How one table is read. ``quote`` turns a name into an identifier psql can be fed."""

    relation: Relation
    columns: Columns
    types: dict[int, TypeMade]
    selected: str = ""
    ascii_only: bool = True

    @property
    def table(self) -> str:
        """The table as SQL."""
        quote = self._quote
        return f"{quote(self.relation.schema)}.{quote(self.relation.name)}"

    @property
    def may_be_huge(self) -> bool:
        """Whether rows too large for COPY text are possible at all."""
        return self.relation.toast_size > _TOAST_WORTH_A_LOOK and not self.selected

    @property
    def hex_columns(self) -> list[str]:
        """Columns whose slices are hexadecimal."""
        return [name for name, oid in self._typed() if is_base(self.types, oid, "bytea")]

    def copy(self, stretch: Stretch, condition: str = "") -> str:
        """``COPY … TO STDOUT``, without semicolon; only of rows that meet ``condition``, where there is one."""
        names = ", ".join(self._quote(name) for name in self.columns.names)
        if not stretch.where and not self.selected and not condition:
            listed = f" ({names})" if names else ""
            return f"COPY {self.table}{listed} TO STDOUT"
        where = stretch.where
        if condition:
            where += f"{' AND' if where else ' WHERE'} {condition}"
        return f"COPY (SELECT {self.selected or names} FROM ONLY {self.table}{where}) TO STDOUT"

    def look_for_huge(self, stretch: Stretch) -> str:
        """A psql line that sets hf_sliced (rows too large for one line of COPY text) and hf_rows."""
        parts = [self._upper_bound(name, oid) for name, oid in self._typed()]
        largest = f"coalesce(max({' + '.join(part for part in parts if part) or '0::int8'}), 0)"
        return (
            f"SELECT {largest} > {_HUGE} AS hf_sliced, count(*) AS hf_rows "
            f"FROM ONLY {self.table}{stretch.where} \\gset"
        )

    def copy_slices(self, stretch: Stretch) -> str:
        """``COPY`` of the same rows cut into pieces."""
        listed = "".join(f", {self._quote(name)} AS c{place}"
                         for place, name in enumerate(self.columns.names, start=1))
        pieces = " ".join(
            f"UNION ALL {self._pieces(place, oid)}"
            for place, (_, oid) in enumerate(self._typed(), start=1)
        )
        return (
            f"COPY (SELECT r.n, p.col, p.part, p.piece FROM (SELECT row_number() OVER () AS n{listed} "
            f"FROM ONLY {self.table}{stretch.where} OFFSET 0) r, LATERAL "
            f"(SELECT 0 AS col, 0::int8 AS part, ''::text AS piece {pieces}) p) TO STDOUT"
        )

    def _typed(self) -> list[tuple[str, int]]:
        return list(zip(self.columns.names, self.columns.type_oids, strict=True))

    def _upper_bound(self, name: str, oid: int) -> str:
        column = self._quote(name)
        if any(is_base(self.types, oid, one) for one in (*_TEXTUAL, "bytea")):
            # hexadecimal and escapes at most double a value; octet_length does not fetch it
            return f"coalesce(octet_length({column}), 0)::int8 * 2"
        return f"coalesce(pg_column_size({column}), 0)::int8 * 2"

    def _pieces(self, place: int, oid: int) -> str:
        value = f"r.c{place}"
        if is_base(self.types, oid, "bytea"):
            whole = f"{value} || ''::bytea"
            step, piece = _BYTEA_PIECE, f"encode(substring(s.v FROM g + 1 FOR {_BYTEA_PIECE}), 'hex')"
        elif any(is_base(self.types, oid, one) for one in _TEXTUAL):
            whole = f"{value} || ''"
            step, piece = _TEXT_PIECE, f"substring(s.v FROM g + 1 FOR {_TEXT_PIECE})"
        else:
            # concat() writes what COPY writes; a cast may not. IS NOT NULL would miss rows with a NULL field.
            return f"SELECT {place}, 0, concat({value}) WHERE {value} IS DISTINCT FROM NULL"
        # putting nothing behind it fetches and unpacks the value once, instead of once for every piece
        return (
            f"SELECT {place}, g / {step}, {piece} FROM (SELECT {whole} AS v OFFSET 0) s, "
            f"generate_series(0, greatest(length(s.v) - 1, 0), {step}) g WHERE {value} IS NOT NULL"
        )

    @property
    def _quote(self) -> Callable[[str], str]:
        return escaped if self.ascii_only else _raw


def fingerprints(readings: Sequence[tuple[Reading, Stretch]]) -> str:
    """One statement, one line per stretch, in order: number, rows, two sums."""
    arms = [
        f"SELECT {number} AS n, {SUMS} FROM ("
        + VERSIONS.format(table=reading.table, where=stretch.where) + ") v"
        for number, (reading, stretch) in enumerate(readings)
    ]
    return " UNION ALL ".join(arms) + " ORDER BY 1;"


def range_fingerprints(reading: Reading, starts: Sequence[int]) -> str:
    """The same for consecutive stretches of one table's grid; far cheaper to plan than many arms."""
    where = (
        f" WHERE ctid >= ('(' || g.s || ',0)')::tid "
        f"AND ctid < ('(' || g.s + {SEGMENT_BLOCKS} || ',0)')::tid"
    )
    versions = VERSIONS.format(table=reading.table, where=where)
    return (
        f"SELECT g.s, f.* FROM generate_series({starts[0]}::int8, {starts[-1]}, {SEGMENT_BLOCKS}) AS g(s), "
        f"LATERAL (SELECT {SUMS} FROM ({versions}) v) f ORDER BY 1;"
    )


def _raw(name: str) -> str:
    """Quoted as it is: for SQL_ASCII databases, where escapes beyond ASCII do not exist."""
    return '"' + name.replace('"', '""') + '"'
