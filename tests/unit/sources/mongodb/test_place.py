"""Places: read from URLs, shown without secrets."""

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.errors import AutoReconnect, OperationFailure

from holdfast.model.errors import TargetError, UsageError
from holdfast.sources.mongodb.inventory import Choice, Collection, views_in_order
from holdfast.sources.mongodb.place import Place
from holdfast.sources.mongodb.refusals import translated
from holdfast.sources.mongodb.target import beside

SECRET = "p@ss/w:rd"


def test_a_password_is_never_shown() -> None:
    """Neither the URL nor the repr tells it, wherever it came from."""
    given = Place.parse("mongodb://app:p%40ss%2Fw%3Ard@h1:1,h2:2/shop?replicaSet=rs0")
    assert given.password == SECRET
    assert given == Place.parse("mongodb://app@h1:1,h2:2/shop?replicaSet=rs0", SECRET)
    assert given.url == "mongodb://app@h1:1,h2:2/shop"
    assert SECRET not in repr(given)


@pytest.mark.parametrize("url", ["mongodb://h", "mongodb://h/", "mongodb:///x", "http://h/x", "mongodb://h/a.b"])
def test_a_url_without_a_database_is_refused(url: str) -> None:
    """One source is one database."""
    with pytest.raises(UsageError):
        Place.parse(url)


def test_another_database_keeps_the_login_of_the_first() -> None:
    """A user is looked up where the URL said, not in the database that is restored into."""
    assert Place.parse("mongodb://app@h/shop").named("copy").options == (("authSource", "shop"),)
    assert Place.parse("mongodb://app@h/shop?authSource=admin").named("copy").options == (("authSource", "admin"),)
    assert Place.parse("mongodb://h/shop").named("copy").options == ()


def test_names_beside_the_source_fit_the_server() -> None:
    """63 bytes at most, whatever the letters."""
    name = beside("ü" * 40, "20261121_0420")
    assert len(name.encode()) <= 63
    assert name.endswith("_restored_20261121_0420")


def test_the_least_rights_are_printed_when_rights_lack() -> None:
    """What to type stands in the hint; the password stands nowhere."""
    place = Place.parse("mongodb://app@h/shop", SECRET)
    error = OperationFailure(f"not authorized {SECRET}", 13, {"errmsg": f"not authorized {SECRET}"})
    told = translated(error, place, doing="orders could not be read")
    assert "createRole" in told.hint
    assert '"shop"' in told.hint
    assert SECRET not in str(told)


def test_a_lost_connection_may_be_tried_again() -> None:
    """The kind of error is the caller's, and it can be retried."""
    told = translated(AutoReconnect("reset"), Place.parse("mongodb://h/x"), doing="reading", kind=TargetError)
    assert isinstance(told, TargetError)
    assert told.retryable


def test_views_come_after_what_they_are_made_of() -> None:
    """Also through lookups and unions, and a cycle ends."""
    views = [
        _view("a", "b", []), _view("b", "orders", [{"$lookup": {"from": "c"}}]),
        _view("c", "orders", [{"$unionWith": {"coll": "d"}}]), _view("d", "a", []),
    ]  # fmt: skip
    names = [view.name for view in views_in_order(views)]
    assert sorted(names) == ["a", "b", "c", "d"]
    assert names.index("b") < names.index("a")
    assert names.index("c") < names.index("b")


def test_patterns_choose_collections() -> None:
    """What to take, what to leave out; the server's own collections never."""
    choice = Choice(collections=("ord*", "fs.*"), exclude=("*_tmp",))
    assert [name for name in ("orders", "orders_tmp", "fs.files", "users", "system.views") if choice.takes(name)] == [
        "orders", "fs.files",
    ]  # fmt: skip


def _view(name: str, on: str, pipeline: list[object]) -> Collection:
    decoded = {"name": name, "options": {"viewOn": on, "pipeline": pipeline}}
    return Collection(name=name, kind="view", raw=RawBSONDocument(b"\x05\0\0\0\0").raw, decoded=decoded)
