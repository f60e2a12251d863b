"""A source of chosen documents: captured in the form of any other snapshot of a database."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from holdfast.model.errors import UsageError
from holdfast.model.records import Row
from holdfast.model.snapshot import Notes
from holdfast.sources.base import (
    Capture,
    CaptureNotes,
    CaptureRequest,
    Cut,
    Finding,
    Piece,
    PieceResult,
    RestoreRequest,
    Source,
    Target,
)
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.reading import notes_of
from holdfast.sources.mongodb.records.book import MongoBook, raw_of_row
from holdfast.sources.mongodb.values import look, order
from holdfast.sources.records import Book

_BLOCK = 500


class ChosenDocuments:
    """Source (sources.base) of ``rows`` of ``book``; stands where ``whole``, the source they come from, stands."""

    kind = "mongodb"

    def __init__(self, place: Place, whole: Source, book: Book, rows: Mapping[str, Sequence[Row]]) -> None:
        if not isinstance(book, MongoBook):
            raise UsageError("these rows are no documents of MongoDB", where=place.url)
        self._place, self._whole, self._rows = place, whole, rows
        unknown = sorted(name for name in rows if name not in book.tables)
        if unknown:
            raise UsageError(f"there is no collection {', '.join(unknown)}", where=place.url)
        self._definitions = {name: book.definitions[name] for name in rows if name in book.definitions}

    @property
    def url(self) -> str:
        """Where the documents come from."""
        return self._place.url

    @contextlib.contextmanager
    def capture(self, request: CaptureRequest) -> Iterator[Capture]:  # noqa: ARG002
        """The documents as they were given; nothing of an earlier snapshot is kept or compared."""
        yield _Chosen(self._place, self._definitions, self._rows)

    def target(self, request: RestoreRequest) -> Target:
        """That of the whole database."""
        return self._whole.target(request)

    def examine(self) -> list[Finding]:
        """Nothing to examine."""
        return []


class _Chosen:
    """Capture (sources.base)."""

    ordered = False

    def __init__(
        self, place: Place, definitions: Mapping[str, Collection], rows: Mapping[str, Sequence[Row]]
    ) -> None:
        self._place, self._definitions = place, definitions
        self._documents = {name: [raw_of_row(row) for row in chosen] for name, chosen in rows.items()}

    @property
    def estimate(self) -> int | None:
        return sum(sum(map(len, found)) for found in self._documents.values())

    def opening_notes(self) -> Notes:
        return {"mode": "rows", "database": self._place.database}

    def lanes(self) -> Sequence[Iterator[Piece]]:
        return [self._pieces()]

    def finish(self) -> CaptureNotes:
        return CaptureNotes(notes=self.opening_notes(), origin=f"MongoDB at {self._place.hosts}")

    def _pieces(self) -> Iterator[Piece]:
        definitions = b"".join(each.definition() for each in self._definitions.values())
        blocks = [definitions] if definitions else []
        yield Piece(
            item=kinds.DEFINITIONS, kind=kinds.KIND_DEFINITIONS, blocks=blocks, cut=Cut.DOCUMENTS, result=PieceResult
        )
        for name, found in self._documents.items():
            yield self._piece(name, found)

    def _piece(self, name: str, found: list[bytes]) -> Piece:
        definition = self._definitions.get(name)
        by_id = definition is None or definition.by_id
        ordered = sorted(found, key=lambda raw: order(look(raw).get("_id"))) if by_id else found
        notes = notes_of(definition) if definition is not None else {"order": "id"}
        return Piece(
            item=name.encode(errors="surrogateescape"),
            kind=definition.kind if definition is not None else kinds.KIND_COLLECTION,
            blocks=(b"".join(ordered[at : at + _BLOCK]) for at in range(0, len(ordered), _BLOCK)),
            cut=Cut.DOCUMENTS,
            result=lambda: PieceResult(rows=len(found), segment_notes={"from": b""}),
            item_notes=notes,
        )
