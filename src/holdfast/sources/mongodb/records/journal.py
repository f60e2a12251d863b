"""Writes to a server without transactions: what was there before is written down first, and put back on any failure.

The journal is a collection of the same database, one entry a document. Whoever opens the database next puts back what
a killed process left half done. Others see the writes as they happen: that cannot be helped without transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bson
from bson import Binary, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.write_concern import WriteConcern

from holdfast.model.records import Table
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.owner import is_dead, myself
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.records.book import raw_of_row
from holdfast.sources.mongodb.records.putting_back import Noted, marks_of, put_back, try_again
from holdfast.sources.mongodb.records.transaction import Transaction
from holdfast.sources.mongodb.saved import batched
from holdfast.sources.mongodb.swapping import key_of
from holdfast.sources.mongodb.values import RAW, look, raw_document
from holdfast.sources.records import Write

_AT_ONCE = 200
_PART = 8 << 20  # of a document that would not fit into an entry


class Journaled(Transaction):
    """LiveTransaction (sources.records) that is taken back by hand."""

    def __init__(self, place: Place, base: Base, tables: Mapping[str, Table]) -> None:
        super().__init__(place, base, tables, None)
        self._run = ObjectId()
        self._number = 0

    def before(self, table: str, writes: Sequence[Write]) -> None:
        """Write down what these documents are now, or that they are not there, and what they are to become."""
        journal = self._base.get_collection(kinds.JOURNAL, write_concern=WriteConcern(w=1, j=True))
        for at in range(0, len(writes), _AT_ONCE):
            some = writes[at : at + _AT_ONCE]
            ids = [RawBSONDocument(only(raw_of_row(write.row), b"_id"), RAW)["_id"] for write in some]
            there = {key_of(raw): raw for raw in listed(self._base, {"find": table, "filter": {"_id": {"$in": ids}}})}
            for batch in batched(entry for write in some for entry in self._entries(table, write, there)):
                journal.insert_many(list(map(raw_document, batch)), ordered=True)

    def _entries(self, table: str, write: Write, there: Mapping[bytes, bytes]) -> Iterator[bytes]:
        raw = raw_of_row(write.row)
        was = there.get(key_of(raw), b"")
        whole = write.verb == "insert" or (write.verb == "update" and not write.columns)
        entry = {
            "collection": table, "owner": myself(), "verb": write.verb, "key": raw_document(only(was or raw, b"_id")),
            "marks": marks_of(raw) if whole else None,
        }  # fmt: skip
        parts = [was[at : at + _PART] for at in range(0, len(was), _PART)]
        yield self._entry({**entry, "was": [Binary(part) for part in parts[:1]]})
        for part in parts[1:]:
            yield self._entry({"owner": entry["owner"], "part": Binary(part)})

    def _entry(self, entry: dict[str, Any]) -> bytes:
        numbered = {"_id": {"run": self._run, "number": self._number}, **entry}
        self._number += 1
        return bson.encode(numbered, codec_options=RAW)

    def take_back(self) -> None:
        """Put everything back as it was. TargetError names what could not be, which stays in the journal."""
        _take_back(self._base, self._run)

    def end(self) -> None:
        """Everything is written: nothing is put back any more."""
        _forget(self._base, self._run)


def roll_back_left_over(base: Base) -> int:
    """Put back what a killed process left half done; how many of them. What living ones are at is left to them."""
    found = [look(raw) for raw in listed(base, {"find": kinds.JOURNAL, "projection": {"owner": 1}})]
    entries = [each for each in found if "run" in each["_id"]]
    dead = {entry["_id"]["run"] for entry in entries if is_dead(entry["owner"], entry["_id"]["run"].generation_time)}
    if len(entries) < len(found):
        try_again(base)
    for run in sorted(dead, reverse=True):
        _take_back(base, run)
    return len(dead)


def _take_back(base: Base, run: ObjectId) -> None:
    """Backwards, and each step may be done again: whoever is killed here is finished by the next."""
    noted: list[Noted] = []
    command = {"find": kinds.JOURNAL, "filter": {"_id.run": run}, "sort": {"_id": 1}}
    for raw in listed(base, command):
        entry = RawBSONDocument(raw, RAW)
        if entry.get("done"):
            noted.clear()
            break
        if "part" in entry:
            noted[-1].was += bytes(entry["part"])
        else:
            noted.append(Noted.of(entry))
    refused = put_back(base, list(reversed(noted)))
    _forget(base, run)
    if refused is not None:
        raise refused


def _forget(base: Base, run: ObjectId) -> None:
    """One mark ends the run; without it, what is left of a journal would be taken for something to put back.

    The empty collection stays: others may be about to write into it.
    """
    first = {"_id": {"run": run, "number": 0}}
    journal = base.get_collection(kinds.JOURNAL, write_concern=WriteConcern(w=1, j=True))
    if not journal.update_one(first, {"$set": {"done": True}}).matched_count:
        return
    journal.delete_many({"_id.run": run, "_id.number": {"$ne": 0}})
    journal.delete_one(first)
