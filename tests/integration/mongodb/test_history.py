"""A random life of a database: every snapshot of it, whole or by ranges kept from before, is what the database was."""

from __future__ import annotations

import random
from typing import Any

import pytest
from bson import ObjectId
from tests.integration.mongodb.shelves import MemoryShelf, view
from tests.integration.mongodb.taking import Taken, restore, take
from tests.servers.mongodb import MongoServer, fresh, shared

from holdfast.sources.mongodb.point import STREAM, TRANSACTION
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.values import identity, look


def _key(chance: random.Random) -> Any:
    number = chance.randrange(400)
    makers = (
        lambda: number, lambda: float(number) + 0.5, lambda: f"k{number}", lambda: ObjectId(f"{number:024x}"),
        lambda: {"a": number % 20, "b": "x"}, lambda: b"%d" % number,
    )  # fmt: skip
    return chance.choice(makers)()


def _live_on(server: MongoServer, name: str, chance: random.Random, steps: int) -> None:
    with server.database(name) as base:
        for _ in range(steps):
            key = _key(chance)
            what = chance.random()
            if what < 0.7:
                document = {"_id": key, "v": chance.randrange(9), "pad": "p" * chance.randrange(120)}
                base.c.replace_one({"_id": key}, document, upsert=True)
            elif what < 0.85:
                base.c.update_one({"_id": key}, {"$inc": {"v": 1}})
            else:
                base.c.delete_one({"_id": key})


@pytest.mark.parametrize("seed", [1, 2])
def test_every_snapshot_is_what_the_database_was(seed: int) -> None:
    """Alternately in a transaction and by the change stream, while others write; restored, and looked into."""
    server, name, chance = shared(), fresh("life"), random.Random(seed)
    previous: Taken | None = None
    shelf = MemoryShelf()
    _live_on(server, name, chance, 150)
    for turn in range(4):
        mode = (TRANSACTION, STREAM)[turn % 2]
        source = MongoSource(server.url(name), modes=(mode,), segment=4000)
        before = server.raw(name, "c")
        taken = take(source, previous, average=512, between=lambda: _live_on(server, name, chance, 25))
        wanted = sorted(server.raw(name, "c") if mode == STREAM else before)
        copy = f"{name}_{turn}"
        assert not restore(source, taken, to=copy).bad
        assert sorted(server.raw(copy, "c")) == wanted
        with source.open_snapshot(view(taken, shelf)) as book:
            table = book.tables["c"]
            assert sorted(row.raw for row in book.rows(table)) == wanted
            keys = {identity(key): key for key in (_key(chance) for _ in range(60))}
            by_key = {identity(look(raw)["_id"]): raw for raw in wanted}
            rows = book.find(table, ("_id",), [(key,) for key in keys.values()])
            found = {identity(row.values["_id"]): row.raw for row in rows}
            assert found == {key: by_key[key] for key in keys if key in by_key}
            assert sorted(row.raw for row in book.find(table, ("v",), [(3,)])) == [
                raw for raw in wanted if look(raw)["v"] == 3
            ]
        previous = taken
        _live_on(server, name, chance, 60)
    with server.client() as client:
        for each in (name, *(f"{name}_{turn}" for turn in range(4))):
            client.drop_database(each)
