"""Words and signs of a condition, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.model.errors import UsageError

_TOKENS = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")+"(?:(?:\.[^\W\d]\w*|\[\])+)?)
      | (?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<sign><=|>=|<>|!=|==|=|<|>|\(|\)|,)
      | (?P<name>[^\W\d][\w$]*(?:\.[\w$]+|\[\])*)""",
    re.VERBOSE,
)
WORDS = frozenset(("and", "or", "not", "in", "is", "null", "like", "between", "true", "false"))


@dataclass(frozen=True, slots=True)
class Token:
    """``kind``: "text", "name", "quoted", "number", "sign", "word" (of the language), "end"; ``at``: its place."""

    kind: str
    text: str
    at: int


def tokens(expression: str) -> Iterator[Token]:
    """All of them, and "end" last. UsageError pointing at what is none."""
    at = 0
    while at < len(expression):
        found = _TOKENS.match(expression, at)
        if found is None:
            char = expression[at]
            what = "a text that does not end" if char in "'\"" else f"{char!r} has no meaning here"
            raise wrong(expression, at, what)
        kind, text = str(found.lastgroup), found[0]
        if kind == "name" and text.lower() in WORDS:
            kind, text = "word", text.lower()
        if kind != "space":
            yield Token(kind, text, at)
        at = found.end()
    yield Token("end", "", at)


def wrong(expression: str, at: int, what: str, hint: str = "") -> UsageError:
    """The error of a condition, with its place shown."""
    shown = re.sub(r"\s", " ", expression)
    begin = max(0, at - 60)
    pointer = f"{'…' if begin else ''}{shown[begin:at]} »{shown[at : at + 40]}"
    return UsageError(
        f"the condition cannot be read: {what}",
        where=f"character {at + 1}: {pointer}",
        hint=hint or "for example: status = 'open' and (amount >= 100 or note is null)",
    )
