"""A store that is used no faster than allowed."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.contracts.storage_contract import Opener, StorageContract
from tests.unit.wiring.conftest import Place

from holdfast.storage.local import LocalStorage
from holdfast.storage.memory import MemoryStorage
from holdfast.storage.throttle import Allowance, Throttled, throttled
from holdfast.wiring.build import App
from holdfast.wiring.load import load


class TestThrottled(StorageContract):
    """It keeps the contract of the store it slows down."""

    many = 200

    @pytest.fixture
    def opener(self) -> Opener:
        """A rate that a test does not feel."""
        storage = throttled(MemoryStorage("throttled"), 1 << 40)
        return lambda: storage


class _Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def _store(rate: int) -> tuple[Throttled, _Clock]:
    clock = _Clock()
    out, back = (Allowance(rate, now=lambda: clock.now, sleep=clock.sleep) for _ in range(2))
    return Throttled(MemoryStorage("slow"), out, back), clock


def test_writing_takes_as_long_as_the_rate_says() -> None:
    """100 pieces of 10 kB at 100 kB/s: ten seconds, but for a small head start and the last piece."""
    store, clock = _store(100_000)
    for number in range(100):
        store.put_new(f"a/{number}", bytes(10_000))
    assert 9.2 <= clock.slept <= 10.0


def test_reading_takes_as_long_too_and_has_a_line_of_its_own() -> None:
    """What was written does not slow down what is read."""
    store, clock = _store(100_000)
    store.put_new("a", bytes(1_000_000))
    assert clock.slept == 0.0
    for _ in range(10):
        assert len(store.get("a", 0, 100_000)) == 100_000
    assert 8.0 <= clock.slept <= 10.0


def test_a_pause_is_no_credit() -> None:
    """After an hour of silence the line is not filled for an hour."""
    store, clock = _store(100_000)
    store.put_new("a", bytes(100_000))
    clock.now += 3600
    for number in range(20):
        store.put_new(f"b/{number}", bytes(100_000))
    assert clock.slept >= 18.0


def test_the_line_is_never_taken_for_long(tmp_path: Path) -> None:
    """Second by second: packs are of two seconds of traffic, and more than one of them never goes out within that."""
    rate, clock, sent = 2 << 20, _Clock(), []
    allowance = Allowance(rate, now=lambda: clock.now, sleep=clock.sleep)
    inner = LocalStorage(tmp_path)
    store = Throttled(inner, allowance, Allowance(rate))
    pack = store.traits.pack_size
    assert (pack, inner.traits.pack_size > pack) == (4 << 20, True)
    for number in range(30):
        store.put_new(f"packs/{number:04d}", bytes(pack))
        sent.append(clock.now)
    for begin in sent:
        for seconds in (1, 2, 10):
            within = sum(pack for at in sent if begin <= at < begin + seconds)
            assert within <= rate * seconds + pack
    assert Throttled(inner, Allowance(1000), Allowance(1000)).traits.pack_size == 1 << 20
    assert Throttled(inner, Allowance(1 << 40), Allowance(1000)).traits == inner.traits


def test_all_threads_share_one_rate() -> None:
    """Eight writers are no faster than one."""
    store = Throttled(MemoryStorage("shared"), Allowance(2_000_000), Allowance(2_000_000))
    began = time.monotonic()

    def write(thread: int) -> None:
        for number in range(4):
            store.put_new(f"{thread}/{number}", bytes(100_000))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 0.9, "3.2 MB at 2 MB/s, half a second of it at once, less the last piece"


def test_the_configuration_slows_every_client_of_the_process_down_together(tmp_path: Path) -> None:
    """[running] bandwidth; several runs at once share it."""
    place = Place(tmp_path)
    path = place.write('[repository]\nurl = "./backups"\n[running]\nbandwidth = "1MiB"\n')
    configuration = load(path, place.around())
    one, two = (App(configuration, ask=lambda _url: None).open_storage() for _ in range(2))
    assert isinstance(one, Throttled)
    assert isinstance(two, Throttled)
    assert one._out is two._out
    assert one._out is not one._back
