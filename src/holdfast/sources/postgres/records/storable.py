"""What a table's definition alone tells of rows from elsewhere: which of them the server could never take."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.model.errors import UsageError
from holdfast.model.records import Row, Table
from holdfast.sources.postgres.records.lines import fields_of, stored_names
from holdfast.sources.postgres.records.text import NULL, unescaped
from holdfast.sources.postgres.records.typed import misfit

_LIMITED = re.compile(r"character(?: varying)?\((\d+)\)")
_ZERO = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_DIGITS = re.compile(r"\d+")
_YEAR = re.compile(r"\+?(\d{4,})-\d")
_WORDS = ("infinity", "-infinity", "epoch", "now", "today", "tomorrow", "yesterday", "allballs")
_LAST_YEAR = {"timestamp": 294_276, "date": 5_874_897}
# years of four digits, as dumps and programs write the times people have
_PLAIN_TIMES = re.compile(r"(?:(?:\\N|\d{4}-[^\0]*+)\0)*+")

Refusing = Callable[[str], str]
"""Why a text cannot be stored; "" when it can."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is known of one column: ``limit`` of letters (0: none), ``refusing`` for values of its type."""

    name: str
    nullable: bool
    kind: str
    limit: int
    refusing: Refusing | None


class Storable:
    """The rules of one table, worked out once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        columns = [column for column in table.columns if not column.generated]
        self._rules = [_rule(column.name, column.type, nullable=column.nullable) for column in columns]
        self._keys = [key for key in (table.key, *table.unique) if key]

    def refuse(self, row: Row) -> None:
        """UsageError for a row that breaks a rule."""
        for rule in self._rules:
            value = row.values.get(rule.name)
            place = f"{self._table.name}.{rule.name}"
            if value is None:
                if not rule.nullable:
                    told = "has no value" if rule.name in row.values else "is not in the file"
                    raise UsageError(f"{place} {told}, and takes no NULL", hint="write a value into the file")
                continue
            text = str(value)
            if "\0" in text:
                raise UsageError(f"{place} has a zero byte in it", why="PostgreSQL keeps none in text")
            if rule.limit and len(text.rstrip(" ")) > rule.limit:
                shown = text[:40] + "…" * (len(text) > 40)
                raise UsageError(f"'{shown}' is too long for {place}", why=f"the column is of type {rule.kind}")
            if rule.refusing is not None and (why := rule.refusing(text)):
                error = misfit(place, text[:40], rule.kind)
                raise UsageError(error.what, why=f"{error.why}; {why}", hint=error.hint)

    def keys_of(self, lines: str) -> list[list[tuple[str, ...]]] | None:
        """Of whole lines of all columns the keys, one list for each of the table's; None where a rule may be broken.

        A key with a NULL in it is left out: it equals no other.
        """
        names = stored_names(self._table)
        columns = fields_of(lines, len(names)) if names else None
        if columns is None:
            return None
        fields = dict(zip(names, columns, strict=True))
        if not all(_keeps(rule, fields[rule.name]) for rule in self._rules):
            return None
        found: list[list[tuple[str, ...]]] = []
        for key in self._keys:
            if not set(key) <= fields.keys():
                found.append([])
                continue
            some = [fields[name] for name in key]
            whole = list(zip(*some, strict=True))
            found.append([each for each in whole if NULL not in each] if any(NULL in each for each in some) else whole)
        return found

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The columns of each key, in the order of ``keys_of``."""
        return self._keys


def _keeps(rule: _Rule, fields: Sequence[str]) -> bool:
    """Whether all fields of a column surely keep its rules."""
    if not rule.nullable and NULL in fields:
        return False
    if rule.limit and max(map(len, fields), default=0) > rule.limit:
        return all(len(field) <= rule.limit or field == NULL for field in fields)
    if rule.refusing is _no_time:
        return _PLAIN_TIMES.fullmatch("\0".join(fields) + "\0") is not None
    if rule.refusing is not None:
        return not any(rule.refusing(text) for text in map(unescaped, fields) if text is not None)
    return True


def _rule(name: str, kind: str, *, nullable: bool) -> _Rule:
    limited = _LIMITED.fullmatch(kind)
    refusing = {"json": _no_json, "jsonb": _no_jsonb}.get(kind)
    if refusing is None and (kind == "date" or kind.startswith("timestamp")) and not kind.endswith("[]"):
        refusing = _no_time if kind != "date" else _no_date
    return _Rule(name, nullable, kind, int(limited[1]) if limited else 0, refusing)


def _no_json(text: str) -> str:
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except ValueError as error:
        return f"this is no JSON: {error}"
    except RecursionError:
        return "values are nested too deep"
    return ""


def _no_jsonb(text: str) -> str:
    if "\\u" in text and (_ZERO.search(text) or not _has_whole_letters(text)):
        return "jsonb keeps neither \\u0000 nor half a letter"
    return _no_json(text)


def _has_whole_letters(text: str) -> bool:
    try:
        json.dumps(json.loads(text, parse_int=str, parse_float=str), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return True


def _no_constant(text: str) -> str:
    raise ValueError(f"{text} is no number")


def _no_time(text: str) -> str:
    return _beyond(text, "timestamp")


def _no_date(text: str) -> str:
    return _beyond(text, "date")


def _beyond(text: str, kind: str) -> str:
    """Digits alone are read as a day, YYYYMMDD: seconds since 1970 are none."""
    text = text.strip()
    if _DIGITS.fullmatch(text) and len(text) not in (6, 8):
        return "digits alone are no time; seconds since 1970 must be written as one"
    if not any(map(str.isdigit, text)) and text.lower() not in _WORDS:
        return "this is no time"
    year = _YEAR.match(text)
    if year and int(year[1]) > _LAST_YEAR[kind]:
        return f"the last year is {_LAST_YEAR[kind]}"
    return ""
