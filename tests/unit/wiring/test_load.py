"""Whatever is wrong with a configuration is told in words, with the place and the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from holdfast.model.errors import Exit, UsageError
from holdfast.wiring import load, places

if TYPE_CHECKING:
    from tests.unit.wiring.conftest import Place

REPOSITORY = '[repository]\nurl = "./backups"\n'
MARKER = "m4rk3r-pa55"


def _load(place: Place, text: str) -> load.Configuration:
    return load.load(place.write(text), place.around())


def _refused(place: Place, text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        _load(place, text)
    assert caught.value.exit is Exit.USAGE
    return caught.value


def test_relative_places_begin_at_the_file(place: Place) -> None:
    """Where the command is typed does not matter."""
    path = place.write(
        REPOSITORY
        + '[sources.a]\nurl = "files:media/"\n[sources.b]\nurl = "sqlite:x.db"\n[sources.c]\nurl = "files:~/m"',
        "etc/holdfast.toml",
    )
    settings = load.load(path, place.around()).settings
    assert settings.repository.url == str(place.folder / "etc/backups")
    assert settings.sources["a"].url == f"files:{place.folder}/etc/media"
    assert settings.sources["b"].url == f"sqlite:{place.folder}/etc/x.db"
    assert settings.sources["c"].url == f"files:{place.folder}/home/m"


@pytest.mark.parametrize(
    ("text", "unknown", "nearest"),
    [
        ("[repositry]\n", "repositry", "repository"),
        ('[repository]\nurl = "x"\npasphrase = "env:X"\n', "repository.pasphrase", "repository.passphrase"),
        (
            REPOSITORY + '[sources.shop]\nurl = "files:x"\nexcludes = []\n',
            "sources.shop.excludes",
            "sources.shop.exclude",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(
    place: Place, text: str, unknown: str, nearest: str
) -> None:
    """A typing error never silently changes what is protected."""
    error = _refused(place, text if "url" in text else text + REPOSITORY)
    assert error.what == f"unknown key {unknown}"
    assert error.hint == f"did you mean {nearest}?"
    assert error.where.endswith("holdfast.toml")


def test_a_password_in_a_url_is_refused_with_the_form_to_use(place: Place) -> None:
    """And is not repeated."""
    error = _refused(place, REPOSITORY + f'[sources.my-shop]\nurl = "postgresql://app:{MARKER}@db/shop"\n')
    assert MARKER not in str(error)
    assert 'password = "env:MY_SHOP_PASSWORD"' in error.hint
    assert "postgresql://app@db/shop" in error.hint


def test_a_password_written_where_a_reference_belongs_is_refused_without_repeating_it(place: Place) -> None:
    """Secrets are referred to, never written down."""
    error = _refused(place, f'[repository]\nurl = "x"\npassphrase = "{MARKER}"\n')
    assert MARKER not in str(error)
    assert "env:NAME" in error.what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "repository is missing"),
        ("[repository]\n", "repository.url is missing"),
        ("[repository]\nurl = 5\n", "repository.url must be text in quotes"),
        ('[repository]\nurl = ""\n', "repository.url is empty"),
        (REPOSITORY + '[sources.shop]\nurl = "files:x"\nowner = "perhaps"\n', "must be true or false"),
        (REPOSITORY + '[sources."a:b"]\nurl = "files:x"\n', "a source name is"),
        (REPOSITORY + '[sources.latest]\nurl = "files:x"\n', "a source name is"),
        (REPOSITORY + '[sources.shop]\nurl = "mysql://x"\n', "not the URL of a source"),
        (REPOSITORY + '[sources.shop]\nurl = "files:x"\ntables = ["a"]\n', "no meaning for a files: source"),
        (REPOSITORY + '[sources.shop]\nurl = "files://host/x"\n', "names a place on this machine"),
        (REPOSITORY + '[sources.shop]\nurl = "postgresql://x"\ntables = "a"\n', "sources.shop.tables must be a list"),
        (REPOSITORY + '[sources.shop]\nurl = "files:x"\nexclude = ["a", 5]\n', "sources.shop.exclude.1 must be text"),
        (REPOSITORY + '[sources.shop]\nurl = "files:x"\nexclude = [""]\n', "sources.shop.exclude.0 is empty"),
        (REPOSITORY + "[sources]\nshop = 5\n", "sources.shop must be a table of its own"),
        ("sources = 5\n" + REPOSITORY, "sources must be a table of its own"),
        ("repository = 5\n", "repository must be a table of its own"),
        ("[repository\n", "not valid TOML"),
    ],
)
def test_each_mistake_has_its_words(place: Place, text: str, words: str) -> None:
    """No traceback: what is wrong, and where."""
    error = _refused(place, text)
    assert words in error.what


def test_all_mistakes_are_counted(place: Place) -> None:
    """The first is told, with how many there are besides, so that nobody believes it was the only one."""
    error = _refused(place, '[repository]\nurl = 5\nsingle_writer = "no"\nextra = 1\n[sources]\nshop = 7\n[other]\n')
    assert error.what == "repository.url must be text in quotes"
    assert error.why == "4 more to correct"


def test_the_file_is_looked_for_where_everybody_expects_it(place: Place) -> None:
    """-c, HOLDFAST_CONFIG, the folder, then the user's configuration folder."""
    there = place.write(REPOSITORY, "xdg/holdfast/holdfast.toml")
    around = place.around(XDG_CONFIG_HOME=str(place.folder / "xdg"))
    assert load.find(around) == there
    here = place.write(REPOSITORY)
    assert load.find(around) == here
    named = place.write(REPOSITORY, "other.toml")
    assert load.find(place.around(HOLDFAST_CONFIG="other.toml")) == named
    assert load.find(place.around(HOLDFAST_CONFIG="nowhere.toml"), "other.toml") == named


def test_a_missing_file_is_told_with_every_place_looked_at(place: Place) -> None:
    """And that init makes one."""
    with pytest.raises(UsageError) as caught:
        load.find(place.around())
    assert str(place.folder / "holdfast.toml") in caught.value.why
    assert "holdfast init" in caught.value.hint


def test_a_repository_alone_is_configuration_enough(place: Place) -> None:
    """On a bare machine there is no file."""
    configuration = load.for_repository("backups", place.around())
    assert configuration.settings.repository.url == str(place.folder / "backups")
    assert configuration.settings.sources == {}


@pytest.mark.parametrize(
    ("repository", "source", "table"),
    [
        ("postgresql://a@localhost/shop?table=backups", "postgresql://b@127.0.0.1:5432/shop", "backups"),
        ("postgresql://a@db/shop?table=x.backups", "postgres://b@db/shop?sslmode=require", "x.backups"),
        ("postgresql://a@db/other?table=backups", "postgresql://b@db/shop", None),
        ("postgresql://a@db:5433/shop?table=backups", "postgresql://b@db/shop", None),
        ("./backups", "postgresql://b@db/shop", None),
        ("sqlite:shop?table=x", "postgresql://b@db/shop", None),
    ],
)
def test_a_repository_inside_the_protected_database_is_recognised(
    repository: str, source: str, table: str | None
) -> None:
    """Its table is left out of the source; a table of that name elsewhere is not."""
    assert places.table_inside(repository, source) == table


def test_two_sources_with_one_place_are_doubted(place: Place) -> None:
    """However each of them is spelled; different ones are not."""
    (place.folder / "m").mkdir()
    (place.folder / "link").symlink_to("m")
    text = (
        REPOSITORY + '[sources.a]\nurl = "files:m"\n[sources.b]\nurl = "files:./link/"\n'
        '[sources.c]\nurl = "postgresql://u@localhost/x"\n[sources.d]\nurl = "postgres://v@127.0.0.1:5432/x"\n'
        '[sources.e]\nurl = "postgresql://u@localhost/y"\n[sources.f]\nurl = "sqlite:m/x"\n'
    )
    first, second = load.doubts(_load(place, text).settings)
    assert "a and b" in first
    assert "c and d" in second


def test_a_repository_in_memory_is_refused_in_words(place: Place) -> None:
    """It would be gone with the command."""
    assert "gone" in _refused(place, '[repository]\nurl = "memory:"\n').what


def test_a_channel_that_listens_for_a_source_that_is_not_there_is_told(place: Place) -> None:
    """It would hear nothing of what was meant, ever."""
    text = (
        '[repository]\nurl = "r"\n[sources.shop]\nurl = "files:/srv"\n'
        '[alerts.channels.ops]\nurl = "env:OPS"\nsources = ["shop", "shpo"]\n'
    )
    assert load.doubts(_load(place, text).settings) == [
        "the channel ops is to hear of 'shpo', and no source is called that"
    ]
