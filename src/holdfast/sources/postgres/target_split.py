"""Splits a key of a big table in two: its index, which can be built beside others, and the key made of it at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from holdfast.sources.postgres.definitions import Definition

_BIG = 8 << 20
_NAME = r'(?:"(?:[^"]|"")*"|[^\s"().;]+)'
_KEY = re.compile(
    rf"ALTER TABLE ONLY (?P<table>{_NAME}\.{_NAME})\s+ADD CONSTRAINT (?P<name>{_NAME}) "
    r"(?P<kind>PRIMARY KEY|UNIQUE) (?P<columns>\([^()]*\));\s*\Z"
)


def split_keys(definitions: Iterable[Definition], weight: dict[int, int]) -> Iterator[Definition]:
    """Plain keys of tables of some size become two definitions; everything else stays as it is.

    The index has the key's id made negative; the key needs it. ``weight``: bytes by table id.
    """
    for definition in definitions:
        found = _KEY.match(definition.create) if definition.desc == "CONSTRAINT" else None
        if found is None or max((weight.get(need, 0) for need in definition.needs), default=0) < _BIG:
            yield definition
            continue
        index = f"CREATE UNIQUE INDEX {found['name']} ON {found['table']} USING btree {found['columns']};"
        key = (
            f"ALTER TABLE ONLY {found['table']} ADD CONSTRAINT {found['name']} {found['kind']}"
            f" USING INDEX {found['name']};"
        )
        yield replace(definition, id=-definition.id, desc="INDEX", create=index, owner="")
        yield replace(definition, create=key, needs=(*definition.needs, -definition.id))
