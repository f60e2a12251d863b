"""A small shop with a database and files, its repository, its journal, and the report of it at any instant."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.world import cheap_keys

from holdfast.journal.base import Journal
from holdfast.model.report import SourceReport, SystemReport
from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository.repository import Places, Repository
from holdfast.storage.registry import open_storage
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.wiring import reporting
from holdfast.wiring.build import App
from holdfast.wiring.journals import open_journal
from holdfast.wiring.load import from_text
from holdfast.wiring.surroundings import Surroundings

PASSPHRASE = "a passphrase for tests"
HEAD = '[repository]\nurl = "{folder}/repository"\n[sources.shop]\nurl = "sqlite:{folder}/shop.db"\n'
ROWS = 20_000


@dataclass
class Shop:
    """One client with everything open."""

    folder: Path
    app: App
    journal: Journal

    def back_up(self, source: str = "shop", **more: object) -> SnapshotInfo:
        """A real backup."""
        request = BackupRequest(sources=self.app.sources((source,)), environments=self.app.environments, **more)  # type: ignore[arg-type]
        result = backup(self.app.repository, request)
        assert not result.failures, result.failures
        return result.snapshots[0]

    def report(self) -> SystemReport:
        """How things stand now."""
        return reporting.system_report(self.app, self.journal)

    def source(self, name: str = "shop") -> SourceReport:
        """One source of it."""
        return next(each for each in self.report().sources if each.source == name)

    def codes(self) -> set[str]:
        """Of every finding."""
        report = self.report()
        return {each.code for each in [*report.findings, *(one for each in report.sources for one in each.findings)]}

    def change(self, statement: str, *values: object) -> None:
        """A statement in the shop's database."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as database, database:
            database.execute(statement, values)

    def encrypt(self) -> None:
        """What ransomware does: every row is there, nothing of it can be read."""
        with contextlib.closing(sqlite3.connect(self.folder / "shop.db")) as database, database:
            database.create_function("noise", 1, os.urandom)
            database.execute("update goods set name = noise(length(name)), text = noise(length(text))")

    @property
    def packs(self) -> list[Path]:
        """Where the data lies."""
        return sorted(path for path in (self.folder / "repository" / "packs").rglob("*") if path.is_file())


Opening = Callable[[str], Shop]


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    """Opens the shop with what follows the usual head of its configuration."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as database, database:
        database.execute("create table goods (id integer primary key, name text, text text)")
        goods = ((f"thing number {n}", f"a thing of kind {n % 7}, made for rooms of size {n % 11} " * 3)
                 for n in range(ROWS))  # fmt: skip
        database.executemany("insert into goods (name, text) values (?, ?)", goods)
    places = Places(cache=tmp_path / "maker", state=tmp_path / "maker")
    cheap_keys()
    Repository.create(open_storage(str(tmp_path / "repository"), credentials={}), PASSPHRASE, places)[0].close()
    environ = {"HOLDFAST_PASSPHRASE": PASSPHRASE, "HOME": str(tmp_path), "HOLDFAST_STATE_DIR": str(tmp_path / "state"),
               "HOLDFAST_CACHE_DIR": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}  # fmt: skip
    with contextlib.ExitStack() as closing:

        def open_shop(more: str = "") -> Shop:
            path = tmp_path / "holdfast.toml"
            path.write_text((HEAD + more).replace("{folder}", str(tmp_path)))
            found = from_text(path.read_text(), path, Surroundings(environ=environ, folder=tmp_path))
            app = closing.enter_context(contextlib.closing(App(found, ask=lambda _url: None)))
            return Shop(tmp_path, app, closing.enter_context(contextlib.closing(open_journal(found))))

        yield open_shop
