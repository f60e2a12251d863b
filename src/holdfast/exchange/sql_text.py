"""Dumps in SQL: rows are taken from COPY blocks and INSERT statements; everything else is read past, never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from holdfast.exchange import sql_changes
from holdfast.exchange.records import BadFile, Form, Origin, Record, Stretch, singly
from holdfast.exchange.sql_values import DEFAULT, CannotTell, Values, names_of, split_name

LARGEST_STATEMENT = 64 << 20
_MARK = re.compile(
    r"""(?P<estring>(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*+')|(?P<string>'(?:[^']|'')*+')|(?P<name>"(?:[^"]|"")*+")
    |(?P<line>--[^\n]*+\n)|(?P<block>/\*.*?\*/)|(?P<dollar>(?<![\w$])\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff]\w*)?)\$.*?\$(?P=tag)\$)
    |(?P<end>;)|(?P<open>'|"|--|/\*|(?<![\w$])\$(?:[A-Za-z_\x80-\U0010ffff]\w*)?\$)""",
    re.VERBOSE | re.DOTALL,
)
_END_OF_ROWS = re.compile(r"^\\\.\r?\n", re.MULTILINE)
_INHERITS = re.compile(r"\)\s*INHERITS\s*\((?P<parents>[^()]*)\)\s*\Z", re.IGNORECASE)
_PARTED = re.compile(r"\)\s*PARTITION\s+BY\b[^']*\Z", re.IGNORECASE)
_BLANK = re.compile(r"\s*+")
_COPY = re.compile(
    r"COPY\s+(?P<table>.+?)\s*(?:\((?P<columns>.*)\))?\s+FROM\s+stdin\b(?P<rest>.*)\Z", re.IGNORECASE | re.DOTALL
)
_INSERT = re.compile(r"(?:INSERT|REPLACE)\s+(?:OR\s+\w+\s+)?INTO\s+", re.IGNORECASE)
_CREATE = re.compile(r"CREATE\s+(?:UNLOGGED\s+|FOREIGN\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?", re.IGNORECASE)
_BODY = re.compile(r"CREATE\b.*?\b(?:TRIGGER|FUNCTION|PROCEDURE)\b.*\bBEGIN\b", re.IGNORECASE | re.DOTALL)
_BODY_ENDS = re.compile(r"\bEND\s*\Z", re.IGNORECASE)
_ENCODING = re.compile(r"SET\s+(?:client_encoding|NAMES)\s*(?:=|TO)?\s*'?(?P<name>[\w-]+)", re.IGNORECASE)
_LOOSE_STRINGS = re.compile(r"SET\s+standard_conforming_strings\s*(?:=|TO)\s*'?off", re.IGNORECASE)
_ESCAPE = re.compile(r"(?:\\(?:[0-7]{1,3}|x[0-9A-Fa-f]{1,2}))+|\\(?P<letter>.)", re.DOTALL)
_WRITTEN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_COMMENTED = {"-- PostgreSQL database dump": True, "-- PostgreSQL database dump complete": False}
_OPENS = {"BEGIN": True, "BEGIN TRANSACTION": True, "COMMIT": False, "ROLLBACK": True}
_OURS = ("sqlite_sequence", "sqlite_stat1", "sqlite_stat4")
_KEPT = ["data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node", "parent", "rowid"]
_CATALOGS = ("sqlite_schema", "sqlite_master")
_ANOTHER_WAY = "load it into an empty database and import from that: holdfast import URL --table TABLE --source NAME"


class SqlReader:
    """A dump by pg_dump, or sqlite3's .dump (exchange.records.Reader)."""

    def __init__(self, chunks: Iterator[str], name: str) -> None:
        self._chunks = chunks
        self._name = name
        self._text = ""
        self._at = 0
        self._line = 1
        self._told = 1
        self._columns: dict[str, tuple[str, ...]] = {}
        self._computed: dict[str, frozenset[str]] = {}
        self._databases = 0
        self._open = False
        self._has_rows = False

    def place(self) -> str:
        """See Reader."""
        return f"{self._name}, line {self._told:,}"

    def records(self, origin: Origin) -> Iterator[Record]:
        """See Reader."""
        return singly(self.stretches(origin))

    def stretches(self, origin: Origin) -> Iterator[Record | Stretch]:
        """See InStretches: the rows of COPY."""
        while (statement := self._statement()) is not None:
            self._open = _OPENS.get(statement.upper(), self._open)
            self._refuse(statement)
            if change := sql_changes.changing(statement, after_rows=self._has_rows):
                raise self._bad(f"{change} changes rows, which only a server can do", _ANOTHER_WAY)
            if found := _COPY.match(statement):
                self._has_rows = True
                yield from self._copied(found, origin)
            elif found := _INSERT.match(statement):
                self._has_rows = True
                yield from self._inserted(statement, found.end(), origin)
            elif found := _CREATE.match(statement):
                self._created(statement[found.end() :], origin)
        if self._open:
            raise self._bad("the dump is not complete", "it was written half; take another dump")
        if not self._columns and not origin.tables:
            raise BadFile("no table is in this file", where=self._name, hint="is it a dump, and not only of roles?")

    def _refuse(self, statement: str) -> None:
        encoding = _ENCODING.match(statement)
        if encoding and encoding["name"].upper().replace("-", "") not in ("UTF8", "UNICODE", "UTF8MB4"):
            raise self._bad(f"the dump is in {encoding['name']}", "dump again with: pg_dump --encoding=UTF8")
        if _LOOSE_STRINGS.match(statement):
            raise self._bad("the dump writes texts in an old way (standard_conforming_strings off)", _ANOTHER_WAY)

    def _created(self, rest: str, origin: Origin) -> None:
        inherits = _INHERITS.search(rest)
        try:
            table, columns, computed = names_of(rest if inherits is None else rest[: inherits.start() + 1])
            parents = [split_name(each) for each in _parts(inherits["parents"])] if inherits else []
        except CannotTell:
            return
        if any(parent not in self._columns for parent in parents):
            return
        columns = tuple(dict.fromkeys([*(name for parent in parents for name in self._columns[parent]), *columns]))
        computed = computed.union(*(self._computed[parent] for parent in parents))
        if table not in _OURS and not _belongs_to_virtual(table, origin):
            self._columns[table] = columns
            self._computed[table] = computed
            if not _PARTED.search(rest):  # its rows are those of its partitions
                origin.tables.setdefault(table, tuple(name for name in columns if name not in computed))

    # rows

    def _copied(self, found: re.Match[str], origin: Origin) -> Iterator[Stretch]:
        if found["rest"].strip():
            raise self._bad("COPY with options cannot be read", "dump with pg_dump's own form")
        table = split_name(found["table"].strip())
        names = tuple(split_name(each) for each in _parts(found["columns"] or ""))
        origin.tables[table] = names
        carriage = self._line_end()
        while True:
            ended = _END_OF_ROWS.search(self._text, self._at)
            stop = ended.start() if ended else self._text.rfind("\n", self._at) + 1
            if stop > self._at:
                text, line = self._text[self._at : stop], self._line
                self._go_to(stop)
                text = text.replace("\r\n", "\n") if carriage else text
                made = partial(self._lines, table, names, text, line)
                yield Stretch(table=table, columns=names, rows=text.count("\n"), text=text, singly=made)
            if ended:
                self._go_to(ended.end())
                return
            self._refuse_size(len(self._text) - self._at)
            if not self._more():
                raise self._bad("the file ends among the rows of a table", "it was written half; take another dump")

    def _lines(self, table: str, names: tuple[str, ...], text: str, line: int) -> Iterator[Record]:
        """Rows of COPY one by one; ``line`` is where they begin."""
        for number, row in enumerate(text.split("\n")[:-1], start=line):
            self._told = number
            try:
                fields = [_field(each) for each in row.split("\t")] if names else []
            except ValueError as error:
                raise self._bad(f"a value of {table} is not in UTF-8") from error
            if len(fields) != len(names):
                raise self._bad(f"this row of {table} has {len(fields)} fields, there are {len(names)} columns")
            yield Record(table, dict(zip(names, fields, strict=True)), Form.SQL)

    def _inserted(self, statement: str, at: int, origin: Origin) -> Iterator[Record]:
        values = Values(statement, at)
        try:
            table, columns = values.target()
            if table in _OURS or _belongs_to_virtual(table, origin):
                return
            if table in _CATALOGS:  # where sqlite3 tells of virtual tables, and of nothing else
                origin.virtual += [str(row[1]) for row in values.rows()]
                return
            names = columns or self._columns.get(table)
            if names is None:
                raise self._bad(f"the columns of {table} are not told", "dump again with: pg_dump --column-inserts")
            origin.tables.setdefault(table, names)
            for row in values.rows():
                yield Record(table, self._row(table, names, row), Form.SQL)
        except CannotTell as error:
            raise self._bad(f"a value cannot be told without a server: {error}", _ANOTHER_WAY) from error

    def _row(self, table: str, names: tuple[str, ...], row: list[Any]) -> dict[str, Any]:
        """Values by column, without those that the database computes."""
        computed = self._computed.get(table, frozenset())
        stored = tuple(name for name in names if name not in computed)
        if len(row) == len(names):
            found = {name: value for name, value in zip(names, row, strict=True) if name not in computed}
        elif len(row) == len(stored):
            found = dict(zip(stored, row, strict=True))
        else:
            raise self._bad(f"this row of {table} has {len(row)} values, there are {len(names)} columns")
        if DEFAULT in found.values():
            raise CannotTell("DEFAULT")
        return found

    # text

    def _statement(self) -> str | None:
        """The next statement without comments and its semicolon; None at the end."""
        parts: list[str] = []
        size = 0
        self._skip_blanks()
        self._told = self._line
        while True:
            found = _MARK.search(self._text, self._at)
            if found is None or found["open"] or found.end() >= len(self._text) - 2:
                if self._more():
                    self._refuse_size(size)
                    continue
                if found is None or found["open"]:
                    self._refuse_rest(parts, found)
                    return None
            text = self._text[self._at : found.end()]
            kind = found.lastgroup if found.lastgroup != "tag" else "dollar"
            size += len(text)
            self._refuse_size(size)
            self._go_to(found.end())
            if kind == "block" and "/*" in found[0][2:]:
                raise self._bad("a comment stands in a comment, which databases read in different ways", _ANOTHER_WAY)
            if kind in ("line", "block"):
                self._open = _COMMENTED.get(text[found.start() - found.end() :].strip(), self._open)
                parts.append(text[: found.start() - found.end()] + " ")
                if not "".join(parts).strip():
                    parts.clear()
                    self._skip_blanks()
                    self._told = self._line
            elif kind != "end":
                parts.append(text)
            else:
                parts.append(text[:-1])
                whole = "".join(parts).strip()
                if not (_BODY.match(whole) and not _BODY_ENDS.search(whole)):
                    return whole
                parts.append(";")

    def _refuse_rest(self, parts: list[str], found: re.Match[str] | None) -> None:
        """The end of the file: nothing but blanks may stand here."""
        if found is not None or "".join([*parts, self._text[self._at :]]).strip():
            raise self._bad("the file ends inside a statement", "it was written half; take another dump")

    def _skip_blanks(self) -> None:
        """Blanks, and lines of psql's own commands (\\connect, \\restrict)."""
        while True:
            found = _BLANK.match(self._text, self._at)
            if found is not None and found.end() > self._at:
                self._go_to(found.end())
            if self._at >= len(self._text) - 1 and self._more():
                continue
            if not self._text.startswith("\\", self._at):
                return
            command = self._data_line(last=True)
            if command.startswith("\\connect"):
                self._databases += 1
                if self._databases > 1:
                    raise self._bad("the dump is of several databases", "dump one of them: pg_dump DATABASE")

    def _line_end(self) -> bool:
        """Past the end of the line of a COPY; whether lines end as on Windows."""
        rest = self._data_line()
        if rest.strip():
            raise self._bad("rows were expected after COPY")
        return rest.endswith("\r")

    def _data_line(self, *, last: bool = False) -> str:
        while (end := self._text.find("\n", self._at)) < 0:
            self._refuse_size(len(self._text) - self._at)
            if not self._more():
                if last:
                    end = len(self._text)
                    break
                raise self._bad("the file ends among the rows of a table", "it was written half; take another dump")
        line = self._text[self._at : end]
        self._told = self._line
        self._at = min(end + 1, len(self._text))
        self._line += 1
        return line.removesuffix("\r") if line == "\\.\r" else line

    def _go_to(self, at: int) -> None:
        self._line += self._text.count("\n", self._at, at)
        self._at = at

    def _more(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._text = self._text[self._at :] + chunk
                self._at = 0
                return True
        return False

    def _refuse_size(self, size: int) -> None:
        if size + len(self._text) - self._at > LARGEST_STATEMENT:
            raise self._bad(f"one statement is larger than {LARGEST_STATEMENT >> 20} MiB", "is this a dump?")

    def _bad(self, what: str, hint: str = "") -> BadFile:
        return BadFile(what, where=self.place(), hint=hint)


def _belongs_to_virtual(table: str, origin: Origin) -> bool:
    """Whether a table is one that a virtual one keeps for itself: FTS3 to FTS5, R-tree."""
    name, _, kept = table.rpartition("_")
    return name in origin.virtual and kept in _KEPT


def _parts(columns: str) -> list[str]:
    return re.findall(r'"(?:[^"]|"")*"|[^\s,]+', columns)


def _field(text: str) -> Any:
    """A field as COPY writes it; None for NULL."""
    if "\\" not in text:
        return text
    return None if text == "\\N" else _ESCAPE.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    letter = found["letter"]
    return sql_changes.numbered(found[0]) if letter is None else _WRITTEN.get(letter, letter)
