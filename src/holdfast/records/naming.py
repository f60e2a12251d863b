"""From what a person types to a table, and to the columns and key that say which rows are meant."""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.model.errors import AmbiguousValue, UsageError
from holdfast.model.records import Key, Table
from holdfast.sources.records import Book

_NAMED = 12
_LAST = re.compile(r'(?:"(?:[^"]|"")+"|[^.]*)\Z')
_QUOTED = re.compile(r'(?<![^.])"((?:[^"]|"")+)"(?![^.])')


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rows of ``table`` whose ``columns`` hold ``key``."""

    table: Table
    columns: tuple[str, ...]
    key: Key


def table_named(book: Book, name: str) -> Table:
    """The table a person means: by its name, without schema or quotes, or in other case where that is one table only.

    UsageError naming the nearest ones.
    """
    tables = book.tables
    if name in tables:
        return tables[name]
    for fold in (str, _bare, lambda text: _bare(text).lower()):
        found = [each for each in tables if fold(name) in (fold(each), fold(_last(each)))]
        if len(found) == 1:
            return tables[found[0]]
        if found:
            raise UsageError(f"{name!r} means more than one table", hint="say which: " + ", ".join(found))
    near = difflib.get_close_matches(name, list(tables), n=3, cutoff=0.5) or list(tables)[:_NAMED]
    raise UsageError(f"there is no table {name!r}", hint=f"did you mean: {', '.join(near)}" if near else "")


def _last(name: str) -> str:
    """Without a schema."""
    found = _LAST.search(name)
    return found[0] if found else name


def _bare(name: str) -> str:
    """Without the quotes that SQL writes around names, or may write."""
    return _QUOTED.sub(lambda each: each[1].replace('""', '"'), name)


def asked(book: Book, table: Table, words: Sequence[str]) -> list[Asked]:
    """What ``KEY`` or ``column=value …`` asks for: several when a key may be the primary or a unique one, best first.

    Composite keys are written ``a,b`` (quotes as in CSV) or as several words. UsageError when nothing fits.
    """
    pairs = [_pair(table, word) for word in words]
    if pairs and all(pairs):
        given = dict(pair for pair in pairs if pair)
        key = tuple(book.parse(table, column, text) for column, text in given.items())
        return [Asked(table=table, columns=tuple(given), key=key)]
    if any(pairs):
        raise UsageError("a key and column=value exclude each other", where=table.name, hint="give either")
    return _by_key(book, table, words)


def keys_of(book: Book, table: Table, words: Sequence[str]) -> list[Key]:
    """Primary keys as ``--keys`` takes them: ``1,2,3`` for a key of one column, one ``a,b`` a word for more."""
    if not table.key:
        raise UsageError(f"{table.name} has no key", hint="choose its rows by --where")
    width = len(table.key)
    parts = [[word] if not table.columns and _is_json(word) else _split(word) for word in words]
    if width == 1:
        parts = [[text] for each in parts for text in each]
    for part in parts:
        if len(part) != width:
            raise UsageError(
                f"a key of {table.name} has {width} values, {len(part)} were given: {','.join(part)}",
                hint=f"its columns: {', '.join(table.key)}; for several keys repeat --keys",
            )
    found = (tuple(book.parse(table, c, t) for c, t in zip(table.key, part, strict=True)) for part in parts)
    return list(dict.fromkeys(found))


def has_column(table: Table, name: str) -> bool:
    """Whether ``name`` is a column of the table, or a path that begins with one; documents have any field."""
    if not table.columns:
        return bool(name)
    return any(name == each.name or name.startswith((f"{each.name}.", f"{each.name}[")) for each in table.columns)


def columns_hint(table: Table) -> str:
    """What columns there are."""
    return "columns: " + ", ".join(column.name for column in table.columns) if table.columns else ""


def key_text(book: Book, columns: Mapping[str, object] | Sequence[object]) -> str:
    """A key as it is typed: ``a,b``."""
    values = columns.values() if isinstance(columns, Mapping) else columns
    told = [book.plain(value) for value in values]
    return ",".join(text if isinstance(text, str) else "" if text is None else str(text) for text in told)


def _pair(table: Table, word: str) -> tuple[str, str] | None:
    """A column and a value. The longest name that is one: names may hold the sign themselves."""
    places = [at for at, char in enumerate(word) if char == "="]
    for at in reversed(places):
        if any(each.name == word[:at] for each in table.columns):
            return word[:at], word[at + 1 :]
    if places and places[0] and has_column(table, word[: places[0]]):
        return word[: places[0]], word[places[0] + 1 :]
    return None


def _by_key(book: Book, table: Table, words: Sequence[str]) -> list[Asked]:
    found: list[Asked] = []
    refused: UsageError | None = None
    for columns in dict.fromkeys((table.key, *table.unique)):
        texts = list(words) if len(columns) == len(words) else _split(words[0]) if len(words) == 1 else []
        if not columns or len(texts) != len(columns):
            continue
        try:
            key = tuple(book.parse(table, column, text) for column, text in zip(columns, texts, strict=True))
        except AmbiguousValue:
            raise
        except UsageError as error:
            refused = refused or error
            continue
        found.append(Asked(table=table, columns=columns, key=key))
    if found:
        return found
    keys = " or ".join(",".join(columns) for columns in (table.key, *table.unique) if columns)
    raise UsageError(
        f"{' '.join(words)!r} is no key of {table.name}",
        why=_told(refused) if refused else f"its keys: {keys}" if keys else "it has no key",
        hint=(refused and refused.hint) or f"or ask by column=value; {columns_hint(table)}".rstrip("; "),
    )


def _told(error: UsageError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


def _is_json(word: str) -> bool:
    """Whether a key of documents is written as extended JSON, whose quotes and commas are its own."""
    if word[:1] not in ("{", "[", '"'):
        return False
    try:
        json.loads(word)
    except ValueError:
        return False
    return True


def _split(word: str) -> list[str]:
    try:
        return next(csv.reader([word], strict=True), []) or [""]
    except csv.Error as error:
        raise UsageError(f"{word!r} is no list of values", why=str(error), hint="quote as in CSV") from error
