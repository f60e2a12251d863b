"""Writes to a server without transactions: what was there before is written down first, and put back on any failure.

The journal is a collection of the same database. Whoever opens the database next puts back what a killed process left
half done. Others see the writes as they happen: that cannot be helped without transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.write_concern import WriteConcern

from holdfast.model.records import Table
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.documents import only
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.loading import Loaded, insert
from holdfast.sources.mongodb.owner import is_dead, myself
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.records.book import raw_of_row
from holdfast.sources.mongodb.records.transaction import Transaction
from holdfast.sources.mongodb.saved import batched
from holdfast.sources.mongodb.values import RAW, look, raw_document, raw_of
from holdfast.sources.records import Write

_ENTRY = 200


class Journaled(Transaction):
    """LiveTransaction (sources.records) that is taken back by hand."""

    def __init__(self, place: Place, base: Base, tables: Mapping[str, Table]) -> None:
        super().__init__(place, base, tables, None)
        self._run = ObjectId()
        self._number = 0

    def before(self, table: str, writes: Sequence[Write]) -> None:
        """Write down what these documents are now, and that others are not there."""
        keys = [only(raw_of_row(write.row), b"_id") for write in writes]
        journal = self._base.get_collection(kinds.JOURNAL, write_concern=WriteConcern(w=1, j=True))
        for at in range(0, len(keys), _ENTRY):
            some = keys[at : at + _ENTRY]
            ids = [RawBSONDocument(key, RAW)["_id"] for key in some]
            found = listed(self._base, {"find": table, "filter": {"_id": {"$in": ids}}})
            self._note(journal, table, some, found)

    def _note(self, journal: Any, table: str, keys: list[bytes], found: Iterator[bytes]) -> None:
        """Entries small enough for one document each: the keys first, then what has to come back."""
        self._entry(journal, table, keys, [])
        for batch in batched(found):
            for document in batch:
                self._entry(journal, table, [], [document])

    def _entry(self, journal: Any, table: str, keys: list[bytes], documents: list[bytes]) -> None:
        entry = {
            "_id": {"run": self._run, "number": self._number}, "collection": table, "owner": myself(),
            "keys": [raw_document(key) for key in keys],
            "documents": [raw_document(document) for document in documents],
        }  # fmt: skip
        self._number += 1
        journal.insert_one(entry)

    def take_back(self) -> None:
        """Put everything back as it was."""
        _take_back(self._base, self._run)

    def end(self) -> None:
        """Everything is written: nothing is put back any more."""
        _forget(self._base, self._run)


def roll_back_left_over(base: Base) -> int:
    """Put back what a killed process left half done; how many of them. What living ones are at is left to them."""
    entries = [look(raw) for raw in listed(base, {"find": kinds.JOURNAL, "projection": {"owner": 1}})]
    dead = {entry["_id"]["run"] for entry in entries if is_dead(entry["owner"], entry["_id"]["run"].generation_time)}
    for run in sorted(dead, reverse=True):
        _take_back(base, run)
    return len(dead)


def _take_back(base: Base, run: ObjectId) -> None:
    """Backwards, and each step may be done again: whoever is killed here is finished by the next."""
    found = [RawBSONDocument(raw, RAW) for raw in listed(base, {"find": kinds.JOURNAL, "filter": {"_id.run": run}})]
    found.sort(key=lambda each: each["_id"]["number"])
    groups: list[tuple[str, list[Any], list[bytes]]] = []
    for entry in found if found and not found[0].get("done") else ():
        if entry["keys"]:
            groups.append((str(entry["collection"]), [key["_id"] for key in entry["keys"]], []))
        else:
            groups[-1][2].extend(raw_of(document) for document in entry["documents"])
    for name, keys, documents in reversed(groups):
        base[name].delete_many({"_id": {"$in": keys}})
        for batch in batched(iter(documents)):
            insert(base, name, batch, Loaded())
    _forget(base, run)


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
