"""One restore at a time writes into a living database, and nothing expires while it does; a kill leaves a way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.write_concern import WriteConcern

from holdfast.model.errors import TargetError
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.expiry import Paused, paused
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.making import told
from holdfast.sources.mongodb.owner import is_dead, myself
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, look, raw_document, raw_of
from holdfast.system import clock

_FOREVER = 2**31 - 1  # seconds; an index has no "off"
_WHO = "restore"


@contextmanager
def alone(base: Base, label: str) -> Iterator[None]:
    """No other restore writes into this database. TargetError when one does; what a killed one left is mended."""
    _enter(base, label)
    try:
        give_back(base)
        yield
    finally:
        give_back(base)
        base.drop_collection(kinds.RESTORING)


def pause(base: Base, collections: Iterable[Collection]) -> dict[str, list[str]]:
    """Let nothing expire; by collection what could not be stopped. Written down first, given back by ``alone``."""
    problems: dict[str, list[str]] = {}
    for collection in collections:
        for each in _expiring(collection):
            try:
                _journal(base).insert_one(_entry(each))
                base.command(_stopping(each), codec_options=RAW)
            except PyMongoError as error:
                text = f"expiry by {each.index or 'its age'} goes on meanwhile: {told(error)}"
                problems.setdefault(collection.name, []).append(text)
    return problems


def expires(collection: Collection) -> bool:
    """Whether its documents are deleted by age."""
    return bool(_expiring(collection))


def outlived(base: Base, collection: Collection) -> int:
    """Documents that go as soon as expiry goes on."""
    count = 0
    for each in _expiring(collection):
        spec = next((look(raw) for raw in collection.indexes if look(raw).get("name") == each.index), None)
        if spec is not None and len(spec["key"]) == 1:
            past = clock.now() - timedelta(seconds=min(float(each.seconds), _FOREVER))
            count += base[collection.name].count_documents({next(iter(spec["key"])): {"$lt": past}})
    return count


def give_back(base: Base) -> None:
    """Let expire again what was stopped. Each step may be done twice; what is gone meanwhile needs nothing."""
    for each in paused(base):
        try:
            base.command(each.command, codec_options=RAW)
        except PyMongoError:
            if each.collection in base.list_collection_names() and each.index in _index_names(base, each.collection):
                raise
        _journal(base).delete_one({"_id": {"collection": each.collection, "index": each.index}})


def _enter(base: Base, label: str) -> None:
    who = {"_id": _WHO, "owner": myself(), "since": clock.now(), "label": label}
    for _attempt in range(2):
        try:
            _journal(base).insert_one(raw_document(bson.encode(who)))
        except DuplicateKeyError:
            _refuse_the_living(base)
            _journal(base).delete_one({"_id": _WHO})
        else:
            return
    raise TargetError("two restores began here at once", where=base.name, hint="run it again", retryable=True)


def _refuse_the_living(base: Base) -> None:
    found = base[kinds.RESTORING].find_one({"_id": _WHO})
    there: dict[str, Any] = look(raw_of(found)) if found is not None else {}
    if there and not is_dead(there["owner"], there["since"]):
        raise TargetError(
            "another restore is writing into this database", where=base.name,
            why=f"{there.get('label', '')} on {str(there['owner']['host']).split()[0]}", retryable=True,
            hint="wait for it; one that was killed on another machine is taken for dead after a day, or at once when "
            f"you remove its mark: db.{kinds.RESTORING}.deleteOne({{_id: \"{_WHO}\"}})",
        )  # fmt: skip


def _expiring(collection: Collection) -> list[Paused]:
    found = []
    for raw in collection.indexes:
        spec = look(raw)
        if spec.get("expireAfterSeconds") is not None and not spec.get("clustered"):
            found.append((str(spec["name"]), RawBSONDocument(raw, RAW)["expireAfterSeconds"]))
    if (seconds := collection.options.get("expireAfterSeconds")) is not None:
        found.append(("", seconds))
    return [
        Paused(
            collection=collection.name, index=index, was=bson.encode({"expireAfterSeconds": seconds}),
            owner=myself(), since=clock.now(),
        )
        for index, seconds in found
    ]  # fmt: skip


def _entry(each: Paused) -> RawBSONDocument:
    entry = {
        "_id": {"collection": each.collection, "index": each.index},
        "was": raw_document(each.was), "owner": dict(each.owner), "since": each.since,
    }  # fmt: skip
    return raw_document(bson.encode(entry))


def _stopping(each: Paused) -> dict[str, Any]:
    if not each.index:
        return {"collMod": each.collection, "expireAfterSeconds": "off"}
    return {"collMod": each.collection, "index": {"name": each.index, "expireAfterSeconds": _FOREVER}}


def _index_names(base: Base, name: str) -> set[str]:
    return {"", *(str(each["name"]) for each in base[name].list_indexes())}


def _journal(base: Base) -> Any:
    return base.get_collection(kinds.RESTORING, write_concern=WriteConcern(w="majority", j=True))
