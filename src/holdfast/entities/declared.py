"""What a person says of an entity: the row everything belongs to, and edges the database cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = ("owned", "parent", "shared", "reference", "blob")
"""owned: goes with the entity. parent: must be there. shared: found again by its natural key. reference: a user, or a
row outside that only points here. blob: the value names something kept elsewhere."""

RULES = ("suffix", "regenerate", "ask")
EFFECTS = ("regenerate", "null", "exclude")

LIMIT_ROWS = 200_000
LIMIT_DEPTH = 100
LIMIT_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class DeclaredEdge:
    """``from_``: ``table.column`` or ``table.path``, one for each column of the key ``to`` (``table`` or
    ``table.column``). ``when``: ``{"column": …, "equals": …}``, the type column of a polymorphic pair."""

    from_: tuple[str, ...]
    to: tuple[str, ...]
    kind: str = "owned"
    when: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """``[entities.NAME]``. ``key``: the columns a person names it by; empty: the primary key.

    ``unique``: column -> what a clone does with its value (RULES); ``side_effects``: column, or whole table, ->
    EFFECTS. Columns are ``table.column``, or ``column`` of the root. ``users``: what becomes of a reference to a
    user that is gone: "null" (where it may be NULL), "refuse", "keep".
    """

    source: str
    root: str
    key: tuple[str, ...] = ()
    title: str = ""
    edges: tuple[DeclaredEdge, ...] = ()
    unique: Mapping[str, str] = field(default_factory=dict)
    side_effects: Mapping[str, str] = field(default_factory=dict)
    users: str = "null"
    limit_rows: int = LIMIT_ROWS
    limit_depth: int = LIMIT_DEPTH
    limit_share: float = LIMIT_SHARE
