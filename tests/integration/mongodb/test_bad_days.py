"""Servers that are away, that refuse, that hang up: told in words, without a secret; half is never passed for whole."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from tests.integration.mongodb.taking import restore, take
from tests.servers.cutting_proxy import cutting_proxy
from tests.servers.mongodb import MongoServer, fresh, shared, standalone

from holdfast.model.errors import HoldfastError, SourceError, TargetError
from holdfast.sources.mongodb.point import NONE, STREAM
from holdfast.sources.mongodb.source import MongoSource
from holdfast.sources.mongodb.values import look

PASSWORD = "a-very-secret-word"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoServer]:
    """A server on which people have to log in: ``root`` may do all, ``reader`` may read app, ``nobody`` nothing."""
    folder = tmp_path_factory.mktemp("mongo") / "data"
    server = MongoServer(folder=folder)
    server.start()
    with server.client() as client:
        client.app.c.insert_many([{"_id": n} for n in range(30)])
        client.admin.command("createUser", "root", pwd=PASSWORD, roles=["root"])
        client.app.command("createUser", "reader", pwd=PASSWORD, roles=["read"])
        client.app.command("createUser", "nobody", pwd=PASSWORD, roles=[])
    server.stop()
    server = MongoServer("--auth", folder=folder)
    server.start()
    yield server
    server.stop()


def as_user(server: MongoServer, user: str, options: str = "", password: str = PASSWORD) -> MongoSource:
    return MongoSource(f"mongodb://{user}@127.0.0.1:{server.port}/app{options}", password)


def test_a_server_that_is_away_is_named() -> None:
    """Where, why, and that it may be tried again."""
    source = MongoSource("mongodb://127.0.0.1:9/app?serverSelectionTimeoutMS=300", PASSWORD)
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        take(source)
    assert caught.value.retryable
    assert "127.0.0.1:9" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    (finding,) = source.examine()
    assert finding.level == "fail"


def test_a_refused_login_says_where_users_are_looked_up(locked: MongoServer) -> None:
    """Wrong password or wrong database: the hint names authSource, the password stands nowhere."""
    for source in (as_user(locked, "reader", password="wrong-" + PASSWORD), as_user(locked, "root")):
        with pytest.raises(SourceError, match="refuses the login") as caught:
            take(source)
        assert "authSource=admin" in caught.value.hint
        assert PASSWORD not in _all_of(caught.value)


def test_a_user_who_may_only_read_is_enough(locked: MongoServer) -> None:
    """``read`` on the database makes a whole snapshot; what it may not see is listed."""
    taken = take(as_user(locked, "reader"))
    assert taken.found[b"c"].rows == 30
    findings = as_user(locked, "reader").examine()
    assert all(finding.level != "fail" for finding in findings)
    assert any("all 1 collections can be read" in finding.what for finding in findings)


def test_lacking_rights_print_the_least_that_are_needed(locked: MongoServer) -> None:
    """A role to be typed in, for this database and this user."""
    with pytest.raises(SourceError) as caught:
        take(as_user(locked, "nobody"))
    assert "createRole" in caught.value.hint
    assert '"app"' in caught.value.hint
    assert PASSWORD not in _all_of(caught.value)
    findings = as_user(locked, "nobody").examine()
    assert any(finding.level == "fail" and "createRole" in finding.mend for finding in findings)


def test_a_target_that_may_not_be_written_is_left_alone(locked: MongoServer) -> None:
    """A reader restores nothing, and is told so."""
    source = as_user(locked, "reader")
    taken = take(source)
    with pytest.raises(TargetError):
        restore(source, taken)
    root = as_user(locked, "root", "?authSource=admin")
    assert not restore(root, taken).bad


@pytest.mark.parametrize("mode", [STREAM, NONE])
@pytest.mark.parametrize("capped", [False, True])
def test_a_connection_that_breaks_makes_no_half_snapshot(mode: str, capped: bool) -> None:
    """Cut in the middle of a collection: read on from the last key, or an error that may be retried; never half."""
    server, name = shared(), fresh()
    documents = [{"_id": n, "x": "y" * 900} for n in range(19_000)]
    with server.database(name) as base:
        base.create_collection("c", **({"capped": True, "size": 64 << 20} if capped else {}))
        base.c.insert_many(documents)
    with cutting_proxy(server.port) as proxy:
        url = f"mongodb://127.0.0.1:{proxy.port}/{name}?directConnection=true&serverSelectionTimeoutMS=2000"
        source = MongoSource(url, modes=(mode,))
        failing = pytest.raises(SourceError, match="connection was lost") if capped else nullcontext()
        with failing as caught:
            taken = take(source, between=lambda: proxy.cut_after(b"getMore\0"))
    assert proxy.cuts == 1
    if caught is not None:
        assert caught.value.retryable
    else:
        assert [look(raw)["_id"] for raw in taken.documents("c")] == list(range(19_000))
    with server.client() as client:
        client.drop_database(name)


def test_a_restore_that_breaks_leaves_a_sign() -> None:
    """The unfinished database carries a collection that says so."""
    server, name = standalone(), fresh()
    server.fill(name, "c", [{"_id": n, "x": "y" * 100} for n in range(500)])
    taken = take(MongoSource(server.url(name)))
    with cutting_proxy(server.port) as proxy:
        proxy_url = f"mongodb://127.0.0.1:{proxy.port}/{name}?retryWrites=false&serverSelectionTimeoutMS=2000"
        proxy.cut_after(b"y" * 50)
        with pytest.raises(TargetError) as caught:
            restore(MongoSource(proxy_url), taken, to=f"{name}_copy")
    assert caught.value.retryable
    with server.database(f"{name}_copy") as base:
        assert "holdfast_unfinished_restore" in base.list_collection_names()


def test_no_secret_is_logged(locked: MongoServer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the driver logs, the password is not in it."""
    with caplog.at_level(logging.DEBUG):
        take(as_user(locked, "reader"))
    assert PASSWORD not in caplog.text


def _all_of(error: BaseException | None) -> str:
    """The error with everything it was raised from."""
    told = []
    while error is not None:
        told += [str(error), repr(error), error.hint if isinstance(error, HoldfastError) else ""]
        error = error.__cause__ or error.__context__
    return "\n".join(told)
