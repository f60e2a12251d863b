"""Which names are ours, and whose pages may send forms."""

from __future__ import annotations

import pytest

from holdfast.web.security.origins import Origins

LOOPBACK = Origins(listen="127.0.0.1:8470")
PUBLIC = Origins(listen="127.0.0.1:8470", public_url="https://backup.example.com")
ANYWHERE = Origins(listen="0.0.0.0:8470")


@pytest.mark.parametrize(
    ("origins", "host", "known"),
    [
        (LOOPBACK, "127.0.0.1:8470", True),
        (LOOPBACK, "localhost:9999", True),
        (LOOPBACK, "LOCALHOST", True),
        (LOOPBACK, "[::1]:8470", True),
        (LOOPBACK, "evil.example", False),
        (LOOPBACK, "localhost.evil.example", False),
        (LOOPBACK, "127.0.0.1.evil.example:8470", False),
        (LOOPBACK, "192.0.2.1:8470", False),
        (LOOPBACK, "", False),
        (PUBLIC, "backup.example.com", True),
        (PUBLIC, "backup.example.com:443", True),
        (PUBLIC, "evil.example.com", False),
        (ANYWHERE, "192.0.2.1:8470", True),
        (ANYWHERE, "[2001:db8::1]:8470", True),
        (ANYWHERE, "evil.example:8470", False),
        (Origins(listen="192.0.2.1:8470"), "192.0.2.1:8470", True),
        (Origins(listen="192.0.2.1:8470"), "192.0.2.2:8470", False),
        (Origins(listen="[::1]:8470"), "[::1]:8470", True),
    ],
)
def test_a_name_that_only_points_here_is_not_ours(origins: Origins, host: str, known: bool) -> None:
    """A site whose name was made to point at this server does not get in by the browser of somebody here."""
    assert origins.knows(host) is known


@pytest.mark.parametrize(
    ("origins", "origin", "host", "own"),
    [
        (LOOPBACK, "http://127.0.0.1:8470", "127.0.0.1:8470", True),
        (LOOPBACK, "http://127.0.0.1:3000", "127.0.0.1:8470", False),
        (LOOPBACK, "https://127.0.0.1:8470", "127.0.0.1:8470", False),
        (LOOPBACK, "null", "127.0.0.1:8470", False),
        (LOOPBACK, "", "127.0.0.1:8470", False),
        (LOOPBACK, "http://[::1", "127.0.0.1:8470", False),
        (PUBLIC, "https://backup.example.com", "127.0.0.1:8470", True),
        (PUBLIC, "https://backup.example.com:443", "backup.example.com", True),
        (PUBLIC, "http://backup.example.com", "127.0.0.1:8470", False),
        (PUBLIC, "https://backup.example.com.evil.example", "backup.example.com", False),
    ],
)
def test_a_form_comes_from_our_own_pages(origins: Origins, origin: str, host: str, own: bool) -> None:
    """Scheme, name and port are the same, or those of public_url."""
    assert origins.own(origin, "http", host) is own


def test_a_password_is_not_sent_in_plain_over_a_network() -> None:
    """HTTPS, this machine, or what public_url accepts in so many words."""
    assert LOOPBACK.private("http", "localhost:8470")
    assert not ANYWHERE.private("http", "192.0.2.1:8470")
    assert ANYWHERE.private("https", "192.0.2.1:8470")
    assert PUBLIC.private("http", "backup.example.com")
    assert PUBLIC.secure("http", "backup.example.com")
    assert not PUBLIC.secure("http", "127.0.0.1:8470")
    accepted = Origins(listen="0.0.0.0:8470", public_url="http://192.0.2.1:8470")
    assert accepted.private("http", "192.0.2.1:8470")
    assert not accepted.private("http", "192.0.2.2:8470")
