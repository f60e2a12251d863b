"""Types that a database defined itself, out of a snapshot's definitions: labels of enums, what domains are over."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.model.errors import Damaged
from holdfast.sources.postgres.definitions import read_definitions

_ENUM = re.compile(r"CREATE TYPE (.+) AS ENUM \((.*)\);\s*\Z", re.DOTALL)
_DOMAIN = re.compile(r"CREATE DOMAIN (.+?) AS (.+?)(?:\n| COLLATE | NOT NULL| DEFAULT |;)")
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class TypesDefined:
    """By name, as columns name their types: ``enums`` with their labels in order, ``domains`` with the type below."""

    enums: dict[str, list[str]] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)

    def below(self, kind: str) -> str:
        """The type that values of ``kind`` are of in the end."""
        for _ in range(_DEEPEST):
            if kind not in self.domains:
                break
            kind = self.domains[kind]
        return kind


def types_defined(archive: Iterable[bytes]) -> TypesDefined:
    """Those of the definitions in an archive; none where they cannot be read: then nothing is known of them."""
    found = TypesDefined()
    try:
        definitions = read_definitions(archive)
    except Damaged:
        return found
    for one in definitions.of("TYPE", "DOMAIN"):
        if one.desc == "TYPE" and (enum := _ENUM.search(one.create)):
            found.enums[enum[1]] = [label.replace("''", "'") for label in _LABEL.findall(enum[2])]
        elif one.desc == "DOMAIN" and (domain := _DOMAIN.search(one.create)):
            found.domains[domain[1]] = domain[2].strip()
    return found
