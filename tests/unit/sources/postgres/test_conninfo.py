"""Where a database is: read from a URL, printed without its secret, handed to children quoted."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from holdfast.model.errors import HoldfastError, UsageError
from holdfast.sources.postgres.conninfo import ChildAuth, Conninfo

HOSTILE = "host=evil dbname='x' \\ \n\"; --"


def test_the_password_is_in_nothing_that_is_printed() -> None:
    """Neither the URL nor the text for a command line nor repr."""
    info = Conninfo.parse("postgresql://me:s3cret@db.example:5433/app?sslmode=require")
    assert info.password == "s3cret"
    assert info.url == "postgresql://me@db.example:5433/app"
    for text in (info.url, info.text(), repr(info), info.place):
        assert "s3cret" not in text


def test_a_hostile_database_name_stays_a_name() -> None:
    """It is never read as connection parameters."""
    info = Conninfo.parse("postgresql://me@localhost/x").with_database(HOSTILE)
    read_back = conninfo_to_dict(info.text())
    assert (read_back["dbname"], read_back["host"]) == (HOSTILE, "localhost")


def test_a_bad_url_is_refused_without_quoting_it() -> None:
    """What libpq stumbled over may be the password."""
    with pytest.raises(UsageError) as caught:
        Conninfo.parse("postgresql://me:s3%zzcret@localhost/app")
    assert "s3" not in str(caught.value)
    with pytest.raises(UsageError, match="sets itself"):
        Conninfo.parse("postgresql://localhost/app?replication=database")
    with pytest.raises(UsageError, match="not a PostgreSQL URL"):
        Conninfo.parse("mysql://localhost/app")


def test_children_get_a_private_file_that_is_gone_afterwards() -> None:
    """Only this user may read it; colons and backslashes survive."""
    info = Conninfo.parse("postgresql://me@localhost/app", password="a:b\\c")
    with ChildAuth(info, {"PATH": "/bin", "SECRET": "x"}) as auth:
        file = Path(auth.environ["PGPASSFILE"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert file.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert "SECRET" not in auth.environ
    assert not file.parent.exists()


def test_a_password_no_file_can_hold_is_refused() -> None:
    """Cutting it at the line break would try a wrong password."""
    info = Conninfo.parse("postgresql://me@localhost/app", password="a\nb")
    with pytest.raises(HoldfastError, match="line break"), ChildAuth(info, {}):
        pass
