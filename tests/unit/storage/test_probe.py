"""The probe trusts good stores, recognises those that break a promise, and leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.scripted_storage import Scripted
from tests.servers.gcs_xml import gcs_double

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageFull
from holdfast.storage.base import Buffer, Stat
from holdfast.storage.memory import MemoryStorage
from holdfast.storage.probe import probe
from holdfast.storage.registry import open_storage


@pytest.mark.parametrize("url", ["{}/plain", "sqlite:{}/store.db", "memory:probed"])
def test_a_good_store_is_found_good(tmp_path: Path, url: str) -> None:
    """And empty afterwards."""
    storage = open_storage(url.format(tmp_path), credentials={})
    found = probe(storage)
    assert found.atomic_put_new
    assert found.problems == ()
    assert found.clock_ahead == 0
    assert list(storage.list("")) == []
    storage.close()


@pytest.mark.parametrize("ignoring", [False, True])
def test_a_service_that_ignores_create_only_writes_is_recognised(*, ignoring: bool) -> None:
    """Some look-alikes answer 200 and replace the object."""
    with gcs_double() as double:
        double.ignore_conditions = ignoring
        url = f"gs://bucket/prefix?endpoint={double.endpoint}"
        storage = open_storage(url, credentials={"GOOGLE_BEARER_TOKEN": "x"})
        found = probe(storage)
        assert found.atomic_put_new is not ignoring
        assert found.problems == ()
        assert double.objects == {}


class Hasty(MemoryStorage):
    """Looks first and writes then: right for one writer at a time, wrong in a race."""

    def put_new(self, name: str, data: Buffer) -> None:
        """Leave the others time between the look and the write."""
        if name in self._objects:
            raise ObjectExists("exists")
        time.sleep(0.02)
        self._objects[name] = (bytes(data), self._now())


class Forgetful(MemoryStorage):
    """Leaves the last object out of every listing until it is asked a second time."""

    asked = 0

    def list(self, prefix: str) -> Iterator[Stat]:
        """Short by one, once."""
        found = list(super().list(prefix))
        self.asked += 1
        return iter(found[:-1] if self.asked == 1 else found)


class Ghostly(MemoryStorage):
    """Keeps serving what was deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.ghosts: dict[str, bytes] = {}

    def delete(self, name: str) -> None:
        """Remember it."""
        if name in self._objects:
            self.ghosts[name] = self.get(name)
        super().delete(name)

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """From memory of old times."""
        try:
            return super().get(name, offset, length)
        except ObjectMissing:
            return self.ghosts[name]


class Whole(MemoryStorage):
    """Does not know ranges."""

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Everything, always."""
        return super().get(name)


def test_a_race_is_really_run() -> None:
    """A store that passes every sequential test and loses a race is found out."""
    assert not probe(Hasty()).atomic_put_new


@pytest.mark.parametrize(
    ("storage", "told"), [(Forgetful(), "listings"), (Ghostly(), "deleted"), (Whole(), "range")]
)
def test_a_broken_promise_is_named(storage: MemoryStorage, told: str) -> None:
    """One sentence, for a person."""
    found = probe(storage)
    assert found.atomic_put_new
    assert len(found.problems) == 1
    assert told in found.problems[0]


@pytest.mark.parametrize("ahead", [3600, -86400])
def test_a_clock_that_differs_is_measured(ahead: int) -> None:
    """In seconds, positive when the store is ahead."""
    found = probe(MemoryStorage(now=lambda: time.time() + ahead))
    assert abs(found.clock_ahead - ahead) <= 2


def test_a_store_that_cannot_be_written_raises_and_is_left_empty() -> None:
    """The error is the store's own."""
    inner = MemoryStorage()
    with pytest.raises(StorageFull):
        probe(Scripted(inner, "put_new#9+:full"))
    assert list(inner.list("")) == []
