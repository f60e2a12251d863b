"""What programs do with backups is in the audit trail."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.faults.world import PASSPHRASE

import holdfast
from holdfast.model.events import Warned
from holdfast.repository.repository import Places, Repository
from holdfast.storage.local import LocalStorage
from holdfast.usecases.audit import ActQuery, acts

SECRET = "ada@example.org"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database under protection, backed up once."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_PASSPHRASE", PASSPHRASE)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table users (id integer primary key, mail text)")
        connection.execute("insert into users values (1, ?)", (SECRET,))
    connection.close()
    (tmp_path / "holdfast.toml").write_text(
        '[repository]\nurl = "./repo"\n[sources.shop]\nurl = "sqlite:shop.db"\n'
    )
    storage = LocalStorage(tmp_path / "repo")
    Repository.create(storage, PASSPHRASE, Places(cache=tmp_path / "c", state=tmp_path / "s"))[0].close()
    with holdfast.open(tmp_path) as app:
        app.backup()
    return tmp_path


def told(place: Path) -> list[tuple[str, str, str]]:
    """Deed, outcome and source, oldest first."""
    repository = Repository.open(LocalStorage(place / "repo"), PASSPHRASE, Places(cache=place / "c", state=place / "s"))
    found = [each.act for each in acts(repository, ActQuery(via=["python"]))][::-1]
    repository.close()
    assert SECRET not in repr(found)
    return [(act.deed, act.outcome, act.source) for act in found]


def test_looks_and_restores_of_programs_are_noted(place: Path) -> None:
    """Before anything is given out; changes when they begin and when they ended."""
    with holdfast.open(place) as app:
        assert app.find("latest:shop", "users", f"mail={SECRET}").rows
        with app.sql("latest:shop", f"select * from users where mail = '{SECRET}'") as result:
            assert result.snapshots
        app.restore_latest("shop", to=str(place / "copy.db"))
    assert told(place) == [
        ("data:read", "ok", "shop"), ("data:read", "ok", "shop"),
        ("restore:new-place", "begun", "shop"), ("restore:new-place", "ok", "shop"),
    ]  # fmt: skip


def test_where_it_is_demanded_programs_get_nothing_that_is_not_noted(place: Path) -> None:
    """Else they are warned through ``report``."""
    (place / "repo" / "audit").write_bytes(b"")
    heard = list[object]()
    with holdfast.open(place, report=heard.append) as app:
        assert app.find("latest:shop", "users", "1").rows
    assert any("not in the audit trail" in event.text for event in heard if isinstance(event, Warned))
    with (place / "holdfast.toml").open("a") as file:
        file.write("[audit]\nrequired = true\n")
    with holdfast.open(place) as app, pytest.raises(Exception, match="refused"):
        app.find("latest:shop", "users", "1")
