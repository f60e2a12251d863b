"""The table of contents of a custom archive, taken apart into the bytes of its entries and put together with more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from holdfast.sources.postgres.definitions import Definitions, entry_ranges, read_definitions

_INT_SIZE, _OFFSET_SIZE = 4, 8
PRE_DATA, DATA, _POST_DATA = 2, 3, 4
_NOT_SET, _NO_DATA = 1, 3


def number(value: int) -> bytes:
    """A number as the archive writes it: sign, then four bytes."""
    return bytes([value < 0]) + abs(value).to_bytes(_INT_SIZE, "little")


def _text(value: bytes | None) -> bytes:
    return number(-1) if value is None else number(len(value)) + value


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something to be done once the tables are there: rows to copy (``copy``), or a statement (``create``).

    ``bare``: bytes follow though there is no statement to copy them.
    """

    id: int
    tag: str
    namespace: str
    owner: str
    needs: tuple[int, ...]
    desc: str = "TABLE DATA"
    create: str = ""
    copy: str = ""
    section: int = DATA
    bare: bool = False

    @property
    def is_late(self) -> bool:
        """Whether it is done when everything else is there: views are filled then."""
        return self.desc == "MATERIALIZED VIEW DATA"

    def with_rows(self, copy: str) -> Entry:
        """The same, announcing rows."""
        return replace(self, copy=copy)

    def of(self, desc: str, create: str) -> Entry:
        """The same, for a statement."""
        return replace(self, desc=desc, create=create)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An archive without data. ``head`` ends where the number of entries stands."""

    version: tuple[int, int]
    head: bytes
    entries: tuple[tuple[int, int, bytes], ...]
    definitions: Definitions

    def written(self, added: Iterable[Entry], kept: frozenset[int] | None) -> bytes:
        """The archive up to where data begins; ``kept``: ids of the definitions that stay."""
        before: list[bytes] = []
        after: list[bytes] = []
        events: list[bytes] = []
        of_events = {one.id for one in self.definitions.entries if one.phase == "last"}
        for identifier, section, raw in self.entries:
            if kept is None or identifier in kept:
                place = after if after or section == _POST_DATA else before
                (events if identifier in of_events else place).append(raw)
        data: list[bytes] = []
        views: list[bytes] = []
        for entry in added:
            place = views if entry.is_late else before if entry.section == PRE_DATA else data
            place.append(self._entry(entry))
        whole = [*before, *data, *after, *views, *events]
        return self.head + number(len(whole)) + b"".join(whole)

    def _entry(self, entry: Entry) -> bytes:
        encode = self.definitions.encode
        follows = bool(entry.copy) or entry.bare
        parts = [
            number(entry.id), number(1 if follows else 0), _text(b"0"), _text(b"0"), _text(encode(entry.tag)),
            _text(entry.desc.encode()),
            number(_POST_DATA if entry.is_late else entry.section), _text(encode(entry.create)), _text(b""),
            _text(encode(entry.copy) if entry.copy else None),
            _text(encode(entry.namespace) if entry.namespace else None), _text(None),
        ]  # fmt: skip
        if self.version >= (1, 14):
            parts.append(_text(None))
        if self.version >= (1, 16):
            parts.append(number(0))
        parts += [_text(encode(entry.owner)), _text(b"false")]
        parts += [_text(str(need).encode()) for need in entry.needs]
        parts += [_text(None), bytes([_NOT_SET if follows else _NO_DATA]), bytes(_OFFSET_SIZE)]
        return b"".join(parts)


def read_contents(data: bytes) -> Contents:
    """Take an archive apart. Damaged when it is none."""
    definitions = read_definitions([data])
    start, ranges = entry_ranges(data)
    return Contents(
        version=(data[5], data[6]),
        head=data[:start],
        entries=tuple((identifier, section, data[begin:end]) for identifier, section, begin, end in ranges),
        definitions=definitions,
    )
