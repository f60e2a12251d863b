"""What a condition says, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was written. ``kind``: "text", "number" or "truth"; ``at``: its place."""

    text: str
    kind: str
    at: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column or path, and its place."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Compare:
    """``column sign value``; the signs are = <> < <= > >=."""

    column: Column
    sign: str
    value: Literal


@dataclass(frozen=True, slots=True)
class OneOf:
    """``column in (value, …)``."""

    column: Column
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class IsNull:
    """``column is null``."""

    column: Column


@dataclass(frozen=True, slots=True)
class Like:
    """``column like 'pattern'``: % any text, _ any character, backslash takes their meaning away."""

    column: Column
    pattern: Literal


@dataclass(frozen=True, slots=True)
class Not:
    """The contrary; of unknown it is unknown."""

    part: Expression


@dataclass(frozen=True, slots=True)
class Both:
    """``one and two and …``."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """``one or two or …``."""

    parts: tuple[Expression, ...]


Expression = Compare | OneOf | IsNull | Like | Not | Both | Either
