"""From the text of a condition to its meaning; what cannot be read is pointed at."""

from __future__ import annotations

from holdfast.records.where.expression import (
    Both,
    Column,
    Compare,
    Either,
    Expression,
    IsNull,
    Like,
    Literal,
    Not,
    OneOf,
)
from holdfast.records.where.lexing import Token, tokens, wrong

_SIGNS = {"=": "=", "==": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_DEEPEST = 100


def parse_where(text: str) -> Expression:
    """The meaning of a condition. UsageError pointing at the place that cannot be read."""
    parser = _Parser(text)
    found = parser.either(0)
    if parser.now.kind != "end":
        raise parser.wrong("'and', 'or' or the end is expected")
    return found


class _Parser:
    """One token ahead is enough."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0

    @property
    def now(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._at]

    def wrong(self, what: str) -> Exception:
        """The error at this place."""
        seen = f", not {self.now.text}" if self.now.text else ""
        return wrong(self._text, self.now.at, what + seen)

    def either(self, depth: int) -> Expression:
        """``a or b``."""
        if depth > _DEEPEST:
            raise self.wrong(f"more than {_DEEPEST} levels deep")
        parts = [self._both(depth)]
        while self._took("or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self, depth: int) -> Expression:
        parts = [self._contrary(depth)]
        while self._took("and"):
            parts.append(self._contrary(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _contrary(self, depth: int) -> Expression:
        turned = False
        while self._took("not"):
            turned = not turned
        found = self._single(depth)
        return Not(found) if turned else found

    def _single(self, depth: int) -> Expression:
        if self._took("("):
            found = self.either(depth + 1)
            self._need(")")
            return found
        if self.now.kind not in ("name", "quoted"):
            raise self.wrong("a column is expected")
        column = _column(self._next())
        if self._took("is"):
            turned = self._took("not")
            self._need("null")
            return Not(IsNull(column)) if turned else IsNull(column)
        turned = self._took("not")
        found = self._comparison(column, signs=not turned)
        return Not(found) if turned else found

    def _comparison(self, column: Column, *, signs: bool) -> Expression:
        if self._took("in"):
            self._need("(")
            values = [self._literal()]
            while self._took(","):
                values.append(self._literal())
            self._need(")")
            return OneOf(column, tuple(values))
        if self._took("like"):
            pattern = self._literal()
            return Like(column, pattern)
        if self._took("between"):
            low = self._literal()
            self._need("and")
            return Both((Compare(column, ">=", low), Compare(column, "<=", self._literal())))
        if signs and self.now.kind == "sign" and self.now.text in _SIGNS:
            sign = _SIGNS[self._next().text]
            return Compare(column, sign, self._literal())
        raise self.wrong("=, <>, <, <=, >, >=, in, like, between or is null is expected" if signs else
                         "in, like or between is expected")  # fmt: skip

    def _literal(self) -> Literal:
        token = self.now
        if token.kind == "text":
            return Literal(self._next().text[1:-1].replace("''", "'"), "text", token.at)
        if token.kind == "number":
            return Literal(self._next().text, "number", token.at)
        if token.text in ("true", "false") and token.kind == "word":
            return Literal(self._next().text, "truth", token.at)
        if token.text == "null" and token.kind == "word":
            raise self.wrong("nothing equals null: write 'is null'")
        if token.kind in ("name", "quoted"):
            raise self.wrong("a value is expected, texts stand in 'single quotes'")
        raise self.wrong("a value is expected")

    def _took(self, text: str) -> bool:
        if self.now.kind in ("word", "sign") and self.now.text == text:
            self._at += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._took(text):
            raise self.wrong(f"{text!r} is expected")

    def _next(self) -> Token:
        token = self.now
        self._at += 1
        return token


def _column(token: Token) -> Column:
    if token.kind == "name":
        return Column(token.text, token.at)
    inner, quote, rest = token.text[1:].rpartition('"')
    return Column(inner.replace('""', '"') + (rest if quote else ""), token.at)
