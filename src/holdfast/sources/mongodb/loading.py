"""Writes documents as they are: in bulk, without validation, duplicates counted; nothing is decoded and encoded."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from bson import Timestamp
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from holdfast.sources.mongodb.documents import TIMESTAMP, elements
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, raw_document

DUPLICATE = 11000
_LARGEST = 16 << 20
_ZERO = bytes(8)
_NOT_ZERO = bytes((1, 0, 0, 0, 1, 0, 0, 0))
_PLACEHOLDER = Timestamp(1, 1)  # the same


@dataclass(slots=True)
class Loaded:
    """What became of documents handed to the server. Safe from any thread.

    ``again``: whoever asks wants to try once more what clashed with a key: ``refused`` documents that were not
    inserted, ``clashing`` (living, wanted) pairs that were not exchanged; the first are counted as duplicates too.
    """

    inserted: int = 0
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)
    again: bool = False
    refused: list[bytes] = field(default_factory=list)
    clashing: list[tuple[bytes, bytes]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, inserted: int, duplicates: int, problems: list[str]) -> None:
        """Count one batch."""
        with self.lock:
            self.inserted += inserted
            self.duplicates += duplicates
            self.problems += problems[:3]


def insert(base: Base, name: str, batch: list[bytes], loaded: Loaded, *, ordered: bool = False) -> None:
    """Insert one batch; what the server refuses is counted, the rest of the batch goes on. PyMongoError else."""
    batch = _sendable(batch, loaded)
    sent, held_back = _without_zero_timestamps(batch)
    if not sent:
        return
    try:
        base[name].insert_many(list(map(raw_document, sent)), ordered=ordered, bypass_document_validation=True)
    except BulkWriteError as error:
        failures = error.details.get("writeErrors", [])
        duplicates = [batch[each["index"]] for each in failures if each.get("code") == DUPLICATE]
        others = [str(each.get("errmsg", "refused")) for each in failures if each.get("code") != DUPLICATE]
        loaded.add(int(error.details.get("nInserted", 0)), len(duplicates), others)
        if loaded.again:
            loaded.refused += duplicates
        if ordered and failures:  # the server stops at the first
            insert(base, name, batch[failures[0]["index"] + 1 :], loaded, ordered=True)
    else:
        loaded.add(len(sent), 0, [])
    give_back_zero_timestamps(base, name, held_back)


def _sendable(batch: list[bytes], loaded: Loaded) -> list[bytes]:
    """Without documents larger than a client may send; servers hold some that grew within them."""
    if all(len(document) <= _LARGEST for document in batch):
        return batch
    large = [document for document in batch if len(document) > _LARGEST]
    loaded.add(0, 0, [f"a document of {len(each):,} bytes is larger than the server takes" for each in large])
    return [document for document in batch if len(document) <= _LARGEST]


def _without_zero_timestamps(batch: list[bytes]) -> tuple[list[bytes], list[tuple[bytes, list[str]]]]:
    """Documents the server would write a time into, changed so that it does not, and what was changed."""
    sent, changed = [], []
    for document in batch:
        altered, names = nonzero(document) if _ZERO in document else (document, [])
        sent.append(altered)
        if names:
            changed.append((altered, names))
    return sent, changed


def nonzero(document: bytes) -> tuple[bytes, list[str]]:
    """The document with its empty timestamps at the top made others, and their names: a server fills empty ones."""
    altered, names = bytearray(document), []
    for kind, name, start, end in elements(document):
        named = name != b"_id" and b"." not in name and not name.startswith(b"$")  # others cannot be named in an update
        if kind == TIMESTAMP and named and document[start:end] == _ZERO:
            altered[start:end] = _NOT_ZERO
            names.append(name.decode())
    return bytes(altered), names


def give_back_zero_timestamps(
    base: Base, name: str, changed: Iterable[tuple[bytes, list[str]]], session: ClientSession | None = None
) -> None:
    """Set them to nothing again, where they are what was written: an update leaves them empty, and in their place."""
    for document, names in changed:
        which = {"_id": RawBSONDocument(document, RAW)["_id"], **dict.fromkeys(names, _PLACEHOLDER)}
        emptied = {"$set": {each: Timestamp(0, 0) for each in names}}
        base[name].update_one(which, emptied, bypass_document_validation=True, session=session)
