"""A MongoDB source from its URL to an object, and back to a place to restore into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.model.errors import UsageError
from holdfast.wiring import load
from holdfast.wiring.build import App
from holdfast.wiring.proposals import propose

if TYPE_CHECKING:
    from tests.unit.wiring.conftest import Place

REPOSITORY = '[repository]\nurl = "./backups"\n'
PASSWORD = "m4rk3r-pa55"


def _app(place: Place, source: str, **environ: str) -> App:
    text = f"{REPOSITORY}[sources.shop]\n{source}\n"
    return App(load.load(place.write(text), place.around(**environ)), ask=lambda _url: None)


@pytest.mark.parametrize(
    "url", ["mongodb://app@h1:27017,h2:27018/shop?replicaSet=rs0", "mongodb+srv://app@c.example/shop"]
)
def test_a_source_is_made_with_its_password(place: Place, url: str) -> None:
    """Several hosts, service records: the URL stays as it is, the password comes from where it is referred to."""
    source_text = f'url = "{url}"\npassword = "env:SECRET"\ncollections = ["o*"]\nexclude = ["o_tmp"]'
    app = _app(place, source_text, SECRET=PASSWORD)
    source = app.source("shop")
    assert source.kind == "mongodb"
    assert source.url == url.partition("?")[0]
    assert source.place.password == PASSWORD  # type: ignore[attr-defined]


def test_a_password_in_the_url_is_refused_without_repeating_it(place: Place) -> None:
    """The form to use instead is told."""
    with pytest.raises(UsageError, match="has a password in its URL") as caught:
        _app(place, f'url = "mongodb://app:{PASSWORD}@h1,h2/shop"')
    assert "env:SHOP_PASSWORD" in caught.value.hint
    assert PASSWORD not in str(caught.value)


def test_a_snapshot_goes_where_the_command_line_says(place: Place) -> None:
    """A URL or the name of a database is no path; another kind's place is refused."""
    app = _app(place, 'url = "mongodb://h/shop"')
    assert app.place("mongodb", "mongodb://h/copy") == "mongodb://h/copy"
    assert app.place("mongodb", "copy") == "copy"
    with pytest.raises(UsageError, match="cannot be restored into"):
        app.place("mongodb", "postgresql://h/copy")
    stand_in = app.stand_in("mongodb", f"mongodb+srv://app:{PASSWORD}@c.example/copy")
    assert stand_in.url == "mongodb+srv://app@c.example/copy"


def test_a_database_in_the_environment_is_proposed(place: Place) -> None:
    """With its name, and shown without its password."""
    url = f"mongodb+srv://app:{PASSWORD}@c.example/shop?retryWrites=true"
    (proposal,) = propose(place.around(MONGODB_URI=url, OTHER_URL="mongodb://h"))
    assert (proposal.name, proposal.url) == ("shop", url)
    assert PASSWORD not in proposal.shown + repr(proposal)
