"""The measured data: PostgreSQL databases and a tree of small files, the same every time, kept between runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgres import PostgresServer, quoted

from bench import data_sql

_SETTINGS = {
    "wal_level": "replica",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "60",
    "max_locks_per_transaction": "256",
}
_PASSWORD = "password.kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything. ``quick`` is a tenth: it checks the harness, its numbers mean little."""

    users: int = 150_000
    events: int = 40_000
    registrations: int = 2_000_000
    payments: int = 900_000
    audit: int = 200_000
    big: int = 1_700_000
    narrow: int = 10_000_000
    tables: int = 5_000
    files: int = 50_000
    chunks: int = 10_000_000
    entities: int = 1_000
    looked_at: int = 10_000_000

    def tenth(self) -> Scale:
        """A tenth of everything."""
        return Scale(**{name: getattr(self, name) // 10 for name in self.__slots__})


class Databases:
    """One real server with its data in ``folder``. Databases are made when first asked for, and kept."""

    def __init__(self, folder: Path, scale: Scale) -> None:
        self._scale = scale
        self.server = PostgresServer("16", folder, fsync=True, settings=_SETTINGS)
        self._made = folder / "made.json"

    @contextmanager
    def running(self) -> Iterator[Databases]:
        """Start the server (making it first where there is none); stop it in the end."""
        folder = self.server.folder
        secret = folder.parent / _PASSWORD
        if (folder / "data" / "PG_VERSION").exists() and secret.exists():
            self.server.password = secret.read_text()
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _give_to_server(folder)
            self.server.create()
            secret.touch(0o600)
            secret.write_text(self.server.password)
        self.server.start()
        try:
            yield self
        finally:
            self.server.stop()

    @property
    def rows_looked_at(self) -> int:
        """How many rows the table has that is looked into."""
        return self._scale.looked_at

    @property
    def times(self) -> int:
        """How many times its rows stand around the measured entity."""
        return self._scale.entities

    @property
    def pid(self) -> int:
        """The server's parent process."""
        return int((self.server.data / "postmaster.pid").read_text().split()[0])

    def environ(self) -> dict[str, str]:
        """For clients: the server's own programs first on the path, and how to reach it."""
        return {
            "PATH": f"{self.server.bin}:{os.environ['PATH']}",
            "HOME": str(self.server.folder.parent),
            "LC_ALL": "C.UTF-8",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.server.port),
            "PGUSER": "postgres",
            "PGPASSWORD": self.server.password,
        }

    def url(self, database: str) -> str:
        """As a user would write it."""
        return self.server.url(database)

    def settle(self) -> None:
        """Write what earlier work left dirty, so that the next measurement does not pay for it."""
        self.server.run("CHECKPOINT")
        os.sync()

    def need(self, name: str) -> str:
        """Make the database ``name`` unless it is there; its size is known to ``size``."""
        made = json.loads(self._made.read_text()) if self._made.exists() else []
        if name not in made:
            self.server.drop_database(name)
            self.server.create_database(name)
            start = time.perf_counter()
            getattr(self, f"_make_{name}")(name)
            print(f"  made database {name}: {self.size(name) / 1e6:.0f} MB in {time.perf_counter() - start:.0f} s")
            self._made.write_text(json.dumps([*made, name]))
        return name

    def size(self, name: str) -> int:
        """Bytes on the server's disk."""
        return int(self.server.run("SELECT pg_database_size(current_database())", name)[0][0])

    def copy(self, name: str, fresh: str) -> None:
        """A copy that may be changed."""
        self.server.drop_database(fresh)
        self.server.create_database(fresh, f"TEMPLATE {quoted(name)}")
        self.server.run("VACUUM ANALYZE", fresh)

    def tables(self, database: str) -> list[str]:
        """Tables with data of the user's, quoted."""
        rows = self.server.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", database)
        return [quoted(row[0]) for row in rows]

    def fingerprint(self, database: str) -> dict[str, tuple[int, int]]:
        """Each table's multiset of rows as two numbers, and the count of its indexes and constraints."""
        found = {}
        for table in self.tables(database):
            count, total = self.server.run(data_sql.FINGERPRINT.format(table=table), database)[0]
            found[table] = (int(count), int(total))
        for kind, statement in data_sql.KEYS.items():
            found[kind] = self.server.run(statement, database)[0]
        return found

    def change(self, database: str, seed: int) -> int:
        """Update one row in a thousand at random; how many."""
        changed = 0
        with self.server.connect(database) as connection:
            for statement in data_sql.CHANGE.format(seed=seed).split(";\n"):
                if statement.strip():
                    changed += connection.execute(statement.encode()).rowcount
        return changed

    def _make_app(self, name: str) -> None:
        s = self._scale
        sizes = {
            "users": s.users, "events": s.events, "payments": s.payments, "audit": s.audit,
            "registrations": s.registrations, "low": 1, "high": s.registrations,
        }  # fmt: skip
        self._both(
            name,
            data_sql.REGISTRATIONS.format(**sizes) + data_sql.BIG_KEYS,
            "".join(part.format(**sizes) for part in (data_sql.USERS, data_sql.EVENTS, data_sql.PAYMENTS))
            + data_sql.OTHER_KEYS,
        )
        self._script(name, data_sql.FOREIGN_KEYS)
        self.server.run("VACUUM ANALYZE", name)

    def _make_big(self, name: str) -> None:
        s = self._scale
        sizes = {"users": s.users, "events": s.events, "low": 1, "high": s.big}
        self._script(name, data_sql.REGISTRATIONS.format(**sizes) + data_sql.BIG_KEYS)
        self.server.run("VACUUM ANALYZE", name)

    def _make_narrow(self, name: str) -> None:
        self._script(name, data_sql.NARROW.format(narrow=self._scale.narrow))
        self.server.run("VACUUM ANALYZE", name)

    def _make_many(self, name: str) -> None:
        step = 250
        for low in range(1, self._scale.tables + 1, step):
            high = min(low + step - 1, self._scale.tables)
            self._script(name, data_sql.SMALL_TABLES.format(low=low, high=high))
        self.server.run("VACUUM ANALYZE", name)

    def _both(self, name: str, *scripts: str) -> None:
        with ThreadPoolExecutor(len(scripts)) as pool:
            list(pool.map(lambda script: self._script(name, script), scripts))

    def _script(self, name: str, script: str) -> None:
        self.server.run("SET synchronous_commit = off; SET maintenance_work_mem = '256MB';" + script, name)


def need_tree(folder: Path, count: int) -> Path:
    """A tree of ``count`` small files: sizes log-normal around 2 KiB, one in five incompressible, dated last year."""
    tree = folder / f"tree-{count}"
    if not tree.exists():
        start = time.perf_counter()
        unfinished = folder / "tree.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_tree(unfinished, count)
        unfinished.rename(tree)
        print(f"  made {count} files: {size_of(tree) / 1e6:.0f} MB in {time.perf_counter() - start:.0f} s")
    return tree


def size_of(folder: Path) -> int:
    """Bytes in the files of a folder."""
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(folder) for name in names)


def _make_tree(root: Path, count: int) -> None:
    chance = random.Random(20261121)
    words = ["".join(chance.choices("aeioubcdfglmnprst", k=chance.randint(2, 10))) for _ in range(4000)]
    for number in range(count):
        if number % 100 == 0:
            folder = root / f"year-{number // 10000}" / f"album-{number // 100}"
            folder.mkdir(parents=True)
        size = min(1 << 20, int(chance.lognormvariate(7.6, 1.2)))
        if number % 5 == 0:
            path, data = folder / f"picture-{number}.jpg", chance.randbytes(size)
        else:
            path, data = folder / f"note-{number}.txt", " ".join(chance.choices(words, k=size // 6 + 1)).encode()[:size]
        path.write_bytes(data)
        dated = 1_750_000_000 + number * 60
        os.utime(path, (dated, dated))


def _give_to_server(folder: Path) -> None:
    """The server runs unprivileged; it must reach its folder."""
    folder.chmod(0o700)
    if os.getuid() == 0:
        shutil.chown(folder, "nobody")
