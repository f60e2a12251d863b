"""What init writes is what was asked for, without a secret in it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from holdfast.model.errors import UsageError
from holdfast.model.secret import Secret
from holdfast.usecases.setup import keep_secret
from holdfast.wiring import initial, load, toml_text
from holdfast.wiring.initial import InitialWishes
from holdfast.wiring.proposals import propose
from holdfast.wiring.settings import RepositorySettings, SourceSettings

if TYPE_CHECKING:
    from tests.unit.wiring.conftest import Place

MARKER = "m4rk3r-pa55"


def _wishes(place: Place, repository: str = "./backups", **sources: str) -> InitialWishes:
    return InitialWishes(config=place.folder / "holdfast.toml", repository=repository, sources=sources)


def test_the_text_written_reads_back_as_the_same_settings(place: Place) -> None:
    """Whatever characters places and names have."""
    repository = RepositorySettings(url='./back"ups\\ \t\x7f é', passphrase="file:secrets/p", single_writer=True)
    sources = {
        "a.b": SourceSettings(url="files:/srv/m\ne"),
        "c": SourceSettings(url="postgresql://db/c", password="env:C"),
    }
    path = place.write(toml_text.render(repository, sources))
    text = load.from_text(path.read_text(), path, place.around()).settings
    assert text.sources == sources
    assert text.repository.passphrase == "file:secrets/p"
    assert text.repository.url == str(place.folder / 'back"ups\\ \t\x7f é')


def test_a_password_in_a_url_moves_into_a_file_of_its_own(place: Place) -> None:
    """The configuration refers to it; the request says where it goes."""
    prepared = initial.from_wishes(
        _wishes(place, f"postgresql://r:{MARKER}2@db/x?table=t", shop=f"postgresql://app:{MARKER}@db/shop"),
        place.around(HOLDFAST_PASSPHRASE="long enough"),
    )
    request = prepared.request
    assert request.text is not None
    assert MARKER not in request.text
    assert 'password = "file:secrets/shop.password"' in request.text
    assert 'password = "file:secrets/repository.password"' in request.text
    kept = {path.name: secret.reveal() for path, secret in request.secrets.items()}
    assert kept == {"shop.password": MARKER, "repository.password": MARKER + "2"}
    assert 'passphrase = "env:HOLDFAST_PASSPHRASE"' in request.text


def test_without_a_passphrase_one_is_made_and_kept(place: Place) -> None:
    """Long, random, in a file; the same file is used when init runs again."""
    first = initial.from_wishes(_wishes(place), place.around())
    assert first.made_passphrase == place.folder / "secrets/repository.passphrase"
    assert len(first.request.passphrase.reveal()) >= 32
    for path, secret in first.request.secrets.items():
        keep_secret(path, secret)
    again = initial.from_wishes(_wishes(place), place.around())
    assert again.made_passphrase is None
    assert again.request.passphrase.reveal() == first.request.passphrase.reveal()


def test_secret_files_are_for_their_owner_and_never_overwritten(place: Place) -> None:
    """0600 in a folder of 0700; the same value again is fine, another is refused without being shown."""
    path = place.folder / "secrets/shop.password"
    keep_secret(path, Secret(MARKER))
    keep_secret(path, Secret(MARKER))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(UsageError) as caught:
        keep_secret(path, Secret("another-secret"))
    assert path.read_text() == MARKER + "\n"
    assert MARKER not in str(caught.value)
    assert "another-secret" not in str(caught.value)


def test_paths_given_elsewhere_become_absolute(place: Place) -> None:
    """A configuration in another folder still means what was typed here."""
    wishes = InitialWishes(config=place.folder / "etc/holdfast.toml", repository="b", sources={"m": "files:media"})
    text = initial.from_wishes(wishes, place.around(HOLDFAST_PASSPHRASE="long enough")).request.text
    assert text is not None
    assert f'url = "{place.folder}/b"' in text
    assert f'url = "files:{place.folder}/media"' in text


@pytest.mark.parametrize(("name", "url"), [("a:b", "files:x"), ("latest", "files:x"), ("-x", "files:x"), ("a", "x")])
def test_names_and_urls_that_cannot_work_are_refused_before_anything_is_written(
    place: Place, name: str, url: str
) -> None:
    """Nothing is left behind."""
    with pytest.raises(UsageError):
        initial.from_wishes(_wishes(place, **{name: url}), place.around())
    assert list(place.folder.iterdir()) == []


def test_what_lies_about_is_proposed(place: Place) -> None:
    """Databases named by the environment and .env, and SQLite files; passwords do not show."""
    place.write(f"# x\nexport DATABASE_URL='postgresql+asyncpg://app:{MARKER}@db/shop'\nOTHER=1\n", ".env")
    (place.folder / "notes.sqlite").write_bytes(b"SQLite format 3\x00" + bytes(84))
    (place.folder / "fake.db").write_bytes(b"not a database")
    found = propose(place.around(EVENTS_URL="postgres://db/events"))
    assert [(each.name, each.shown) for each in found] == [
        ("events", "postgresql://db/events"),
        ("shop", "postgresql://app@db/shop"),
        ("notes", "sqlite:./notes.sqlite"),
    ]
