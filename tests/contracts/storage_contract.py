"""Every promise of ``holdfast.storage.base.Storage`` as a test, for any store.

Subclass ``StorageContract`` in a module of your own, give it the ``opener`` fixture, pytest does the rest::

    class TestMyStorage(StorageContract):
        @pytest.fixture
        def opener(self, tmp_path):
            return lambda: MyStorage(tmp_path / "store")
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.model.errors import ObjectExists, ObjectMissing
from holdfast.storage.base import Buffer, Storage

Opener = Callable[[], Storage]

BAD_NAMES = (
    "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", "A", "a b", "a\n", "\na", "a\0b",
    "é", "a\\b", "a:b", "a+b", "a%2fb", "a?b", "a#b", "a*", "a'b", "packs/x" + "y" * 300, "/".join(["ab"] * 400),
)  # fmt: skip
GOOD_NAMES = (
    "holdfast.json", "a", "-", "0", "_", "a_b", "...", ".a", "a.", "a..b", "-rf", "log/000000000042",
    "packs/0f3a/17",
    "claims/nightly/20261120t042000z/1", "x/" + "n" * 200,
)  # fmt: skip
MANY = 2_500


class StorageContract:
    """One promise a test; ``opener`` is a function that opens one more client of the same, at first empty place."""

    secrets: tuple[str, ...] = ()
    """Values that opened the store and must not be printed by it."""

    many = MANY
    """Objects in the listing test: more than a page of the store."""

    @pytest.fixture
    def opener(self) -> Opener:
        """To be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def storage(self, opener: Opener) -> Iterator[Storage]:
        """A client of an empty store."""
        storage = opener()
        yield storage
        storage.close()

    def test_an_object_is_read_back_exactly_from_every_kind_of_buffer(self, storage: Storage) -> None:
        """Bytes, bytearray and slices of a memoryview arrive unchanged."""
        body = bytes(range(256)) * 40
        view = memoryview(body)
        buffers: list[Buffer] = [body, bytearray(body), view[100:5_000], memoryview(bytearray(body))]
        for number, buffer in enumerate(buffers):
            storage.put_new(f"a/{number}", buffer)
            assert storage.get(f"a/{number}") == bytes(buffer)
            assert type(storage.get(f"a/{number}")) is bytes

    def test_an_empty_object_exists(self, storage: Storage) -> None:
        """No bytes are an object too."""
        storage.put_new("empty", b"")
        assert storage.get("empty") == b""
        assert storage.get("empty", 0, 10) == b""
        assert storage.stat("empty").size == 0
        assert [each.name for each in storage.list("")] == ["empty"]
        with pytest.raises(ObjectExists):
            storage.put_new("empty", b"x")

    def test_a_large_object_arrives_whole(self, storage: Storage) -> None:
        """20 MiB, more than any pack."""
        body = os.urandom(20 << 20)
        storage.put_new("packs/s/1", body)
        assert storage.get("packs/s/1") == body
        assert storage.stat("packs/s/1").size == len(body)
        assert storage.get("packs/s/1", 19 << 20, 4096) == body[19 << 20 :][:4096]

    def test_an_existing_object_is_never_replaced(self, storage: Storage) -> None:
        """ObjectExists, whatever the second body is, and the first stays."""
        storage.put_new("log/1", b"first")
        for body in (b"second", b"first", b"", b"longer than the first"):
            with pytest.raises(ObjectExists):
                storage.put_new("log/1", body)
        assert storage.get("log/1") == b"first"

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, None), (0, 10), (10, 20), (990, 10), (990, 11), (999, 1), (999, None), (500, None), (0, 1000),
         (0, 5000), (1000, None), (1000, 1), (1001, 5), (99_999, 10), (99_999, None), (0, 0), (500, 0),
         (5_000, 0), (3, 1 << 40)],
    )  # fmt: skip
    def test_a_range_ends_where_the_object_ends(
        self, storage: Storage, offset: int, length: int | None
    ) -> None:
        """A range gives what a slice gives."""
        body = os.urandom(1000)
        storage.put_new("a/b", body)
        assert storage.get("a/b", offset, length) == body[offset:][:length]

    def test_a_range_that_cannot_be_is_refused(self, storage: Storage) -> None:
        """Negative numbers are a mistake of the caller."""
        storage.put_new("a", b"abc")
        for offset, length in ((-1, None), (0, -1), (-3, 2)):
            with pytest.raises(ValueError):
                storage.get("a", offset, length)

    def test_a_missing_object_is_said_to_be_missing(self, storage: Storage) -> None:
        """Also when its name is the beginning of other names, or continues one."""
        storage.put_new("packs/s/1", b"x")
        calls: tuple[Callable[[str], object], ...] = (
            storage.get, storage.stat, lambda name: storage.get(name, 5, 0), lambda name: storage.get(name, 3, 4),
        )  # fmt: skip
        for name in ("nothing", "packs", "packs/s", "packs/s/2", "packs/s/1x", "packs/s/1/2", "pack"):
            for call in calls:
                with pytest.raises(ObjectMissing):
                    call(name)

    def test_stat_tells_size_and_the_time_of_writing(self, storage: Storage) -> None:
        """The store's clock is that of a machine in the same room here."""
        storage.put_new("a", b"12345")
        told = storage.stat("a")
        assert (told.name, told.size) == ("a", 5)
        assert abs(told.modified - time.time()) < 300
        (listed,) = storage.list("")
        assert (listed.name, listed.size) == ("a", 5)
        assert abs(listed.modified - told.modified) < 1.001

    def test_every_allowed_name_can_be_used(self, storage: Storage) -> None:
        """Dots, dashes and digits anywhere, 200 characters in a part."""
        for name in GOOD_NAMES:
            storage.put_new(name, name.encode())
        assert {each.name for each in storage.list("")} == set(GOOD_NAMES)
        for name in GOOD_NAMES:
            assert storage.get(name) == name.encode()
            storage.delete(name)
        assert list(storage.list("")) == []

    @pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:12]))
    def test_every_other_name_is_refused(self, storage: Storage, name: str) -> None:
        """By each method, before anything happens."""
        calls: tuple[Callable[[], object], ...] = (
            lambda: storage.put_new(name, b"x"), lambda: storage.get(name), lambda: storage.stat(name),
            lambda: storage.delete(name),
        )  # fmt: skip
        for call in calls:
            with pytest.raises(ValueError):
                call()
        assert list(storage.list("")) == []

    @pytest.mark.parametrize("prefix", ["a", "/", "a//", "../", "a/../", "A/", "a/b", " /"])
    def test_a_prefix_is_empty_or_ends_with_a_slash(self, storage: Storage, prefix: str) -> None:
        """Anything else is a mistake of the caller."""
        with pytest.raises(ValueError):
            list(storage.list(prefix))

    def test_a_prefix_chooses_whole_parts(self, storage: Storage) -> None:
        """``log/`` is neither ``log`` nor ``logs/1``; everything below it counts, however deep."""
        names = {"log/1", "log/2/a", "log/2/b/c", "logs/1", "log-old/1", "lo/g", "x/log/1", "log.json"}
        for name in names:
            storage.put_new(name, b"x")
        assert {each.name for each in storage.list("log/")} == {"log/1", "log/2/a", "log/2/b/c"}
        assert {each.name for each in storage.list("log/2/")} == {"log/2/a", "log/2/b/c"}
        assert list(storage.list("nothing/")) == []
        assert {each.name for each in storage.list("")} == names

    def test_an_empty_store_lists_nothing(self, storage: Storage) -> None:
        """And asking creates nothing."""
        assert list(storage.list("")) == []
        assert list(storage.list("packs/")) == []
        storage.delete("packs/s/1")
        assert list(storage.list("")) == []

    def test_however_many_objects_all_are_listed_once(self, storage: Storage) -> None:
        """More than a page of any store, with their sizes."""
        bodies = {f"packs/{number % 7:02x}/{number:05d}": b"x" * (number % 5) for number in range(self.many)}
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(storage.put_new, bodies, bodies.values()))
        storage.put_new("other", b"")
        listed = list(storage.list("packs/"))
        assert len(listed) == len(bodies)
        assert {each.name: each.size for each in listed} == {name: len(body) for name, body in bodies.items()}
        assert sum(1 for _ in storage.list("")) == len(bodies) + 1

    def test_what_stays_is_listed_while_neighbours_come_and_go(self, storage: Storage) -> None:
        """Writers and deleters beside a listing hide nothing that existed before and after it."""
        staying = {f"a/{number:04d}" for number in range(0, 300, 2)}
        leaving = [f"a/{number:04d}" for number in range(1, 300, 2)]
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda name: storage.put_new(name, b"x"), [*staying, *leaving]))
            listing = storage.list("a/")
            first = [next(listing).name]
            moves = [threads.submit(storage.delete, name) for name in leaving]
            moves += [threads.submit(storage.put_new, f"a/{number:04d}x", b"y") for number in range(100)]
            seen = set(first) | {each.name for each in listing}
            for move in moves:
                move.result()
        assert staying <= seen
        assert staying <= {each.name for each in storage.list("a/")}

    def test_delete_removes_one_object_and_may_be_repeated(self, storage: Storage) -> None:
        """The name is free again; neighbours stay; a second delete is no error."""
        for name in ("a/1", "a/10", "a/1x/y"):
            storage.put_new(name, b"x")
        for _ in range(3):
            storage.delete("a/1")
        storage.delete("never/was")
        assert {each.name for each in storage.list("")} == {"a/10", "a/1x/y"}
        with pytest.raises(ObjectMissing):
            storage.get("a/1")
        storage.put_new("a/1", b"again")
        assert storage.get("a/1") == b"again"

    def test_of_racing_writers_exactly_one_wins(self, opener: Opener) -> None:
        """Eight clients, one name, different bodies: one success, and the object is the winner's."""
        clients = [opener() for _ in range(8)]
        with contextlib.ExitStack() as stack:
            for client in clients:
                stack.callback(client.close)
            threads = stack.enter_context(ThreadPoolExecutor(len(clients)))
            for turn in range(6):
                self.race(clients, threads, f"log/{turn:012d}")

    def race(self, clients: list[Storage], threads: ThreadPoolExecutor, name: str) -> None:
        """One round of it."""
        start = threading.Barrier(len(clients))

        def write(number: int) -> int | None:
            start.wait()
            try:
                clients[number].put_new(name, bytes([number]) * (1 + number * 3000))
            except ObjectExists:
                return None
            return number

        results = list(threads.map(write, range(len(clients))))
        winners = [number for number in results if number is not None]
        assert len(winners) == 1, f"{len(winners)} writers believe to have created {name}"
        for client in clients:
            assert client.get(name) == bytes([winners[0]]) * (1 + winners[0] * 3000)

    def test_a_reader_sees_all_of_an_object_or_none(self, opener: Opener) -> None:
        """Read in a loop while it is written."""
        writer, reader = opener(), opener()
        body = os.urandom(8 << 20)
        done = threading.Event()
        sizes: set[int] = set()

        def watch() -> None:
            while not done.is_set():
                for size in (self.size_read(reader, "a/b"), *(each.size for each in reader.list("a/"))):
                    if size is not None:
                        sizes.add(size)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            writer.put_new("a/b", body)
        finally:
            done.set()
            watcher.join()
        assert sizes <= {len(body)}
        assert reader.get("a/b") == body
        writer.close()
        reader.close()

    @staticmethod
    def size_read(storage: Storage, name: str) -> int | None:
        """How many bytes a reader gets; None when there is no object yet."""
        try:
            return len(storage.get(name))
        except ObjectMissing:
            return None

    def test_another_client_sees_a_new_object_at_once(self, opener: Opener) -> None:
        """Read-after-write, list-after-write and gone-after-delete, from elsewhere."""
        one, other = opener(), opener()
        for turn in range(5):
            one.put_new(f"a/{turn}", b"%d" % turn)
            assert other.get(f"a/{turn}") == b"%d" % turn
            assert f"a/{turn}" in {each.name for each in other.list("a/")}
        other.delete("a/0")
        with pytest.raises(ObjectMissing):
            one.get("a/0")
        assert "a/0" not in {each.name for each in one.list("a/")}
        one.close()
        assert other.get("a/1") == b"1"
        other.close()

    def test_one_client_serves_many_threads(self, storage: Storage) -> None:
        """Eight threads write, read ranges, list and delete through one value."""

        def work(number: int) -> None:
            for turn in range(12):
                name, body = f"t{number}/{turn}", os.urandom(1 + 5_000 * turn)
                storage.put_new(name, body)
                assert storage.get(name, turn, 1000) == body[turn:][:1000]
                assert storage.stat(name).size == len(body)
                if turn % 3 == 0:
                    storage.delete(name)
            assert len(list(storage.list(f"t{number}/"))) == 8

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(work, range(8)))
        assert sum(1 for _ in storage.list("")) == 64

    def test_the_traits_are_usable(self, storage: Storage) -> None:
        """Sizes and counts a caller can work with; a store in this suite creates atomically."""
        traits = storage.traits
        assert traits.atomic_put_new
        assert 64 << 10 <= traits.pack_size <= 64 << 20
        assert 1 <= traits.parallel <= 64
        free = storage.free_space()
        assert free is None or free > 0

    def test_the_url_and_the_repr_show_no_secret(self, storage: Storage) -> None:
        """What opened the store is not printed by it."""
        assert storage.url
        for secret in self.secrets:
            assert secret not in storage.url
            assert secret not in repr(storage)

    def test_objects_outlive_their_client(self, opener: Opener) -> None:
        """Closing releases connections, nothing else."""
        first = opener()
        first.put_new("a/b", b"kept")
        first.close()
        second = opener()
        assert second.get("a/b") == b"kept"
        second.close()
