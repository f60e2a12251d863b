"""Literals of SQL, as dumps write them: what an INSERT puts in, told without a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from holdfast.exchange.sql_changes import numbered

_TOKEN = re.compile(
    r"""\s*+(?:(?P<blob>[xX]'(?P<hex>(?:[0-9a-fA-F]{2})*)')|(?P<escaped>[eE]'(?P<inner>(?:[^'\\]|''|\\.)*+)')
    |[bB]'(?P<bits>[01]*)'|'(?P<string>(?:[^']|'')*+)'|"(?P<quoted>(?:[^"]|"")*+)"|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    |(?P<word>[A-Za-z_\x80-\U0010ffff][\w$]*)|(?P<cast>::)|(?P<sign>[(),.\[\]]))""",
    re.VERBOSE | re.DOTALL,
)
_STRINGS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")
_WORDS = {"null": None, "true": True, "false": False}
_ESCAPE = re.compile(
    r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})|(?P<bytes>(?:\\(?:x[0-9A-Fa-f]{1,2}|[0-7]{1,3}))+)|\\(?P<letter>.)|''",
    re.DOTALL,
)
_WRITTEN = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNISTR = re.compile(r"\\(\\|u[0-9A-Fa-f]{4}|\+[0-9A-Fa-f]{6}|[0-9A-Fa-f]{4})")
_DEEPEST = 20
_COMPUTED = re.compile(r"\b(?:generated\s+always\s+)?as\s*\(", re.IGNORECASE)


class _Default:
    """What the database puts in itself."""


DEFAULT = _Default()


class CannotTell(Exception):
    """What stands here has no value without a server."""


class Values:
    """The part of an INSERT behind INTO, read from ``at``."""

    def __init__(self, statement: str, at: int) -> None:
        self._text = statement
        self._at = at
        self._is_bare = False

    def target(self) -> tuple[str, tuple[str, ...]]:
        """(table, columns); reads on to the first row."""
        table = self.name()
        columns: list[str] = []
        if self._is("("):
            while True:
                columns.append(self.name())
                if not self._is(","):
                    break
            self._want(")")
        word = self._word()
        if word == "default" and not columns and self._word() == "values":
            self._is_bare = True
            return table, ()
        while word in ("overriding", "system", "user", "value"):
            word = self._word()
        if word != "values":
            raise CannotTell(f"INSERT … {word}")
        return table, tuple(columns)

    def rows(self) -> Iterator[list[Any]]:
        """Each row's values; DEFAULT VALUES is a row that has none."""
        while not self._is_bare:
            self._want("(")
            row = [self._value(0)]
            while self._is(","):
                row.append(self._value(0))
            self._want(")")
            yield row
            if not self._is(","):
                break
        if self._is_bare:
            yield []
        rest = self._text[self._at :].strip()
        if rest and not rest.lower().startswith("on conflict do nothing"):
            raise CannotTell(rest[:40])

    def name(self) -> str:
        """A name, with its schema if there is one; quotes are taken off where nothing needs them."""
        parts = [self._identifier()]
        while self._is("."):
            parts.append(self._identifier())
        return ".".join(parts[-2:])

    def _identifier(self) -> str:
        found = self._next()
        if found["quoted"] is not None:
            return found["quoted"].replace('""', '"')
        if found["word"] is None:
            raise CannotTell(found[0].strip()[:40])
        return found["word"]

    def _value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise CannotTell("expressions in expressions")
        found = self._next()
        if found["string"] is not None:
            value: Any = found["string"].replace("''", "'")
        elif found["inner"] is not None:
            try:
                value = _ESCAPE.sub(_unescaped, found["inner"])
            except ValueError as error:
                raise CannotTell("bytes that are no UTF-8") from error
        elif found["bits"] is not None:
            value = found["bits"]
        elif found["hex"] is not None:
            value = bytes.fromhex(found["hex"])
        elif found["number"]:
            value = _number(found["number"])
        elif found["word"]:
            value = self._named(found["word"].lower(), depth)
        else:
            raise CannotTell(found[0].strip()[:40])
        while self._is("::"):
            self._type()
        return value

    def _named(self, word: str, depth: int) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if word == "default":
            return DEFAULT
        if word in ("replace", "char", "unistr", "cast") and self._is("("):
            if word == "cast":
                value = self._value(depth + 1)
                if self._word() != "as" or self._word() != "text" or not isinstance(value, bytes):
                    raise CannotTell("cast")
                self._want(")")
                return value.decode("utf-8", "surrogateescape")
            arguments = [self._value(depth + 1)]
            while self._is(","):
                arguments.append(self._value(depth + 1))
            self._want(")")
            return _called(word, arguments)
        raise CannotTell(word)

    def _type(self) -> None:
        """Past the name of a type: ``character varying(20)[]``."""
        self.name()
        while (found := _TOKEN.match(self._text, self._at)) and found["word"]:
            self._at = found.end()
        if self._is("("):
            while not self._is(")"):
                self._next()
        while self._is("["):
            self._want("]")

    def _next(self) -> re.Match[str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise CannotTell(self._text[self._at : self._at + 40].strip() or "the end")
        self._at = found.end()
        return found

    def _is(self, sign: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        if found is None or (found["sign"] or found["cast"]) != sign:
            return False
        self._at = found.end()
        return True

    def _want(self, sign: str) -> None:
        if not self._is(sign):
            raise CannotTell(self._text[self._at : self._at + 40].strip() or f"no {sign}")

    def _word(self) -> str:
        found = self._next()
        return (found["word"] or "").lower()


def names_of(rest: str) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """Table, columns and which of them are computed, behind CREATE TABLE. CannotTell where it names none."""
    values = Values(rest, 0)
    table = values.name()
    body = rest[rest.find("(") + 1 : rest.rfind(")")] if "(" in rest else ""
    columns: list[str] = []
    computed: set[str] = set()
    for part in _split(body):
        found = _TOKEN.match(part)
        if found is None or (found["word"] is None and found["quoted"] is None):
            raise CannotTell(part[:40])
        word = (found["word"] or "").lower()
        if word in ("constraint", "primary", "unique", "check", "foreign", "exclude", "like"):
            continue
        columns.append((found["quoted"] or found["word"]).replace('""', '"'))
        if _COMPUTED.search(_STRINGS.sub("", part)):
            computed.add(columns[-1])
    return table, tuple(columns), frozenset(computed)


def split_name(text: str) -> str:
    """A name as it stands in a statement, without quotes that nothing needs."""
    return Values(text, 0).name()


def _split(body: str) -> Iterator[str]:
    """The parts between commas that stand in no parentheses or quotes."""
    depth, start = 0, 0
    for found in re.finditer(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|[(),]""", body):
        sign = found[0]
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            yield body[start : found.start()]
            start = found.end()
    if body[start:].strip():
        yield body[start:]



def _number(text: str) -> Any:
    return int(text) if text.lstrip("+-").isdigit() and len(text) < 4000 else Decimal(text)


def _called(word: str, arguments: list[Any]) -> Any:
    """What SQLite's own dump writes around line ends and odd letters."""
    texts = [each for each in arguments if isinstance(each, str)]
    if word == "replace" and len(arguments) == len(texts) == 3:
        return texts[0].replace(texts[1], texts[2])
    if word == "char" and all(isinstance(each, int) and 0 <= each < 0x110000 for each in arguments):
        return "".join(map(chr, arguments))
    if word == "unistr" and len(arguments) == len(texts) == 1:
        return _UNISTR.sub(lambda found: "\\" if found[1] == "\\" else chr(int(found[1].lstrip("u+"), 16)), texts[0])
    raise CannotTell(word)


def _unescaped(found: re.Match[str]) -> str:
    if found["bytes"]:
        return numbered(found["bytes"])
    if found["letter"]:
        return _WRITTEN.get(found["letter"], found["letter"])
    return chr(int(found[1][1:], 16)) if found[1] else "'"
