"""What a living database lacks of the definitions of a snapshot, and what of them is left out on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from holdfast.sources.base import Content
from holdfast.sources.postgres.definitions import Definition, Definitions
from holdfast.sources.postgres.definitions_choice import Choice
from holdfast.sources.postgres.definitions_sql import printable
from holdfast.sources.postgres.inplace_living import Catalog, Name
from holdfast.sources.postgres.inplace_repair import living_definitions, missing
from holdfast.sources.postgres.target_checks import Aim
from holdfast.sources.postgres.target_saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What is missing in the living database and will be made; ``definitions`` of the snapshot it comes from."""

    definitions: Definitions | None
    entries: tuple[Definition, ...]
    relations: frozenset[Name]
    left_out: tuple[str, ...] = ()
    living: Definitions | None = None


def find_repairs(aim: Aim, saved: Saved, content: Content, catalog: Catalog, environ: Mapping[str, str]) -> Repairs:
    """Compare the definitions of the snapshot with those of now."""
    definitions = saved.definitions(content)
    if definitions is None:
        return Repairs(definitions=None, entries=(), relations=frozenset())
    living = living_definitions(aim.place, aim.server.version, environ)
    choice = saved.choice(definitions)
    wanted = choice.entries if choice else definitions.entries
    relations = choice.relations if choice else frozenset(saved.name(item) for item in saved.relations("sequence"))
    return Repairs(
        definitions=definitions,
        entries=tuple(missing(wanted, living, catalog, definitions)),
        relations=relations,
        left_out=tuple(_left_out(choice, living, definitions)) if choice else (),
        living=living,
    )


def _left_out(choice: Choice, living: Definitions, saved: Definitions) -> Iterator[str]:
    """What was left out and how to have it, but for what the living database has anyway."""
    there = {printable(entry) for entry in living.entries}
    by_words = {printable(entry): entry for entry in saved.entries}
    for line in choice.left_out:
        words = line.partition(": it needs ")[0]
        if words in there:
            continue
        entry = by_words.get(words)
        statement = f", or make it afterwards: {' '.join(entry.create.splitlines()).strip()}" if entry else ""
        yield f"{line}; name that with --only as well{statement}"
