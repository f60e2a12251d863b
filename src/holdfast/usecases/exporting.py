"""Write a snapshot, or part of it, in a format that other programs read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from holdfast.exchange import naming, placing, writing
from holdfast.exchange.writing import Contents
from holdfast.flow.content import SnapshotContent
from holdfast.model.errors import UsageError
from holdfast.model.events import Reporter, silent
from holdfast.model.ids import short
from holdfast.model.records import Row, Table
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Repository, SnapshotEntry
from holdfast.sources.base import Source
from holdfast.sources.exchanging import Dump, Exchanging, Interchange
from holdfast.sources.records import Book, Recorded, SnapshotView
from holdfast.usecases import as_it_came
from holdfast.usecases.entity_finding import Subject, closure_in, graph_for, root_of, title_of
from holdfast.usecases.protection import protected

GENERAL = ("json", "csv", "jsonl")
_ENDINGS = {"csv": ".csv", "jsonl": ".jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOrder:
    """``to``: a file, or a folder for formats of a file per table; None with ``stream``: one file goes there.

    ``only``: patterns of tables. ``entity``: of these only the rows that belong to it. ``overwrite``: files that are
    there may be replaced.
    """

    entry: SnapshotEntry
    source: Source
    format: str
    to: Path | None = None
    stream: BinaryIO | None = None
    only: tuple[str, ...] = ()
    entity: Subject | None = None
    overwrite: bool = False
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class ExportResult:
    """``files`` written, with their bytes; ``rows`` by table, for formats that are written row by row."""

    snapshot: str
    format: str
    files: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)


def export(repository: Repository, order: ExportOrder) -> ExportResult:
    """Carry out ``order``. UsageError when the format does not suit the snapshot; then nothing was written."""
    interchange = interchange_of(order.source)
    if order.format not in (*GENERAL, *interchange.formats):
        raise UsageError(
            f"a {order.source.kind} snapshot cannot be written as {order.format}",
            hint=f"it can be written as {', '.join((*GENERAL, *interchange.formats))}",
        )
    if order.entity is not None and order.format not in GENERAL:
        raise UsageError(f"one entity cannot be written as {order.format}", hint=f"but as {', '.join(GENERAL)}")
    result = ExportResult(snapshot=order.entry.info.id, format=order.format)
    with _opened(repository, order) as (view, book):
        tables = _chosen(book, order.only)
        held = _once(tables) if order.entity is None else tables
        contents = Contents(book=book, interchange=interchange, tables=held)
        if order.entity is not None:
            contents = _of_entity(order, order.entity, contents)
        if order.format in GENERAL:
            dumps = _general(order, contents)
        else:
            dumps = interchange.dump(view, book, order.format, tables if order.only else None)
        _place(order, dumps, result, several=_is_several(order))
        result.rows = contents.counts
    return result


def interchange_of(source: Source) -> Interchange:
    """What the kind of a source knows of formats. UsageError when its snapshots hold no rows."""
    if not isinstance(source, Exchanging):
        raise UsageError(
            f"a source of kind {source.kind} holds no rows", where=source.url, hint="holdfast restore ID --to PATH"
        )
    return source.interchange()


@contextlib.contextmanager
def _opened(repository: Repository, order: ExportOrder) -> Iterator[tuple[SnapshotView, Book]]:
    entry, source = order.entry, order.source
    if entry.info.kind != source.kind or not isinstance(source, Recorded):
        raise UsageError(f"snapshot {short(entry.info.id)} is of kind {entry.info.kind}, not {source.kind}")
    with protected(repository, "restore", order.report, [entry.info.id]) as reader:
        manifest = repository.manifest(entry, reader)
        with contextlib.closing(SnapshotContent(reader, local=repository.storage.traits.local)) as content:
            view = SnapshotView(
                id=entry.info.id, manifest=manifest, content=content, shelf=repository.shelf, report=order.report
            )
            with source.open_snapshot(view) as book:
                yield view, book


def _chosen(book: Book, only: Sequence[str]) -> list[Table]:
    """The tables that patterns mean. UsageError for a pattern that means none."""
    if not only:
        return list(book.tables.values())
    chosen: dict[str, Table] = {}
    for pattern in only:
        found = [
            table for name, table in book.tables.items()
            if fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[2].strip('"'), pattern)
        ]  # fmt: skip
        if not found:
            raise UsageError(
                f"the snapshot has no table that matches {pattern!r}",
                hint=f"it has {', '.join(list(book.tables)[:20])}",
            )
        chosen.update({table.name: table for table in found})
    return list(chosen.values())


def _once(tables: Sequence[Table]) -> list[Table]:
    """Without partitions of tables that are there too: those hold the same rows."""
    names = {table.name for table in tables}
    return [table for table in tables if not (table.root and table.root in names)]


def _is_several(order: ExportOrder) -> bool:
    return order.format in (*_ENDINGS, "bson")


def _general(order: ExportOrder, contents: Contents) -> Iterator[Dump]:
    info = _as_it_was(order.entry.info)
    if order.format == "json":
        called = {} if order.entity is not None else as_it_came.called(info)
        contents = replace(contents, called=called)
        whole = order.entity is None and not order.only
        yield Dump(name="", blocks=writing.blocks(_document(info, contents, _facts(order, contents), whole=whole)))
        return
    write = writing.csv_of if order.format == "csv" else writing.jsonl_of
    names = naming.file_names([table.name for table in contents.tables], _ENDINGS[order.format])
    for table in contents.tables:
        yield Dump(name=names[table.name], blocks=writing.blocks(write(contents, table)))


def _as_it_was(info: SnapshotInfo) -> SnapshotInfo:
    """With the id and time that an old system gave a backup which was imported."""
    aliases = (info.more or {}).get("aliases")
    return msgspec.structs.replace(info, id=str(aliases[0]) if aliases else info.id, created_at=info.data_at)


def _of_entity(order: ExportOrder, subject: Subject, contents: Contents) -> Contents:
    """What belongs to one entity. UsageError when the snapshot has none of that key."""
    book = contents.book
    graph = graph_for(book, subject, saved=True)
    root = root_of(book, graph, subject)
    if root is None:
        raise UsageError(
            f"{subject.spoken} is not in this snapshot", where=short(order.entry.info.id),
            hint=f"holdfast entity versions {subject.spoken}",
        )  # fmt: skip
    closure = closure_in(book, graph, subject, root, whole=not order.entry.info.partial)
    rows = {name: [member.row for member in members] for name, members in closure.by_table().items()}
    return replace(
        contents, rows=rows, root=(graph.root, root), tables=[one for one in contents.tables if one.name in rows]
    )


def _facts(order: ExportOrder, contents: Contents) -> dict[str, Any]:
    """What is known of the entity that is exported, or that the snapshot is of; empty when of none."""
    if order.entity is not None and contents.root is not None:
        table, row = contents.root
        key = [str(contents.book.plain(row.values.get(name))) for name in table.key]
        return {"name": order.entity.name, "root": table.name, "key": key, "title": title_of(row, order.entity)}
    told = (order.entry.info.more or {}).get("entity")
    return told if isinstance(told, dict) else as_it_came.entity(order.entry.info)


def _document(info: SnapshotInfo, contents: Contents, entity: dict[str, Any], *, whole: bool) -> Iterator[bytes]:
    """The document with tables, or for an entity and for documents the one with collections; else as it once came."""
    came, shape = as_it_came.head(info, whole=whole), as_it_came.shape(info)
    if not entity.get("name") and (shape == "tables" or not (shape or contents.interchange.documents)):
        told = {"id": info.id, "timestamp": info.created_at, "source": info.source}
        return writing.tables_document(contents, {**told, **came})
    root = contents.root or _root(contents, entity)
    key = [contents.interchange.told(*root).get(name) for name in root[0].key] if root else entity.get("key")
    metadata: dict[str, Any] = {
        "eventId": key[0] if isinstance(key, list) and len(key) == 1 else key,
        "eventName": entity.get("title"),
        "backupId": info.id,
        "backupDate": info.created_at,
        "entity": entity.get("name"),
        "root": root[0].name if root else None,
    }
    if not entity.get("name"):
        metadata.update(came)
    return writing.entity_document(replace(contents, root=root), metadata)


def _root(contents: Contents, entity: dict[str, Any]) -> tuple[Table, Row] | None:
    """The row the entity is."""
    table = next((table for table in contents.tables if table.name == entity.get("root")), None)
    texts = entity.get("key")
    if table is None or not table.key or not isinstance(texts, list) or len(texts) != len(table.key):
        return None
    key = tuple(contents.book.parse(table, name, str(text)) for name, text in zip(table.key, texts, strict=True))
    row = next(iter(contents.book.find(table, table.key, [key])), None)
    return (table, row) if row is not None else None


def _place(order: ExportOrder, dumps: Iterator[Dump], result: ExportResult, *, several: bool) -> None:
    if order.stream is not None:
        _stream(order, dumps, result)
        return
    assert order.to is not None  # noqa: S101 - a place or a stream, one is given
    if not several:
        placing.refuse_existing(order.to, overwrite=order.overwrite)
        for dump in dumps:
            result.files[str(order.to)] = placing.write(order.to, dump.blocks, overwrite=order.overwrite)
        return
    placing.make_folder(order.to, overwrite=order.overwrite)
    for dump in dumps:
        path = order.to / dump.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        result.files[str(path)] = placing.write(path, dump.blocks, overwrite=order.overwrite)


def _stream(order: ExportOrder, dumps: Iterator[Dump], result: ExportResult) -> None:
    assert order.stream is not None  # noqa: S101 - asked before
    single = [dump for _, dump in zip(range(2), dumps, strict=False)]
    if order.format == "bson" or len(single) > 1:
        raise UsageError(
            f"{order.format} is a file for each table, which one stream cannot hold",
            hint="--to FOLDER, or --only TABLE",
        )
    result.files["-"] = 0
    for block in single[0].blocks if single else ():
        order.stream.write(block)
        result.files["-"] += len(block)
    order.stream.flush()
