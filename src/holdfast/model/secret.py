"""What must never be printed: secret values, and passwords that hide inside URLs."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

from holdfast.model.errors import UsageError

_USERINFO = re.compile(r"(?P<head>[A-Za-z][A-Za-z0-9+.-]*://[^:/@\s]*):\S*@")
_QUERY = re.compile(r"(?i)(?P<name>[?&][^=&\s]*(?:password|passwd|passphrase|secret|token|key|sig)[^=&\s]*=)[^&\s]*")

HIDDEN = "***"
_SHORT = 4  # anything shorter is part of many words; it is taken out where it stands alone


class Secret:
    """A value that no repr, log or error shows; ``reveal`` gives it to the one call that needs it.

    ``origin`` says where it was taken from ("env:SHOP_PASSWORD"), which may be printed.
    """

    __slots__ = ("_value", "origin")

    def __init__(self, value: str, origin: str = "") -> None:
        self._value = value
        self.origin = origin

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN} from {self.origin})" if self.origin else f"Secret({HIDDEN})"

    __str__ = __repr__


class Redactor:
    """Knows the secrets of this process and takes them out of text meant for people."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def learn(self, secret: Secret) -> Secret:
        """Remember a secret; returned unchanged, so that learning can stand where the secret is made."""
        value = secret.reveal()
        if value:
            self._values.update({value, quote(value, safe=""), quote(value)})
        return secret

    def clean(self, text: str) -> str:
        """``text`` without the secrets learned and without passwords in URLs."""
        for value in sorted(self._values, key=len, reverse=True):
            if len(value) < _SHORT:
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text)
            else:
                text = text.replace(value, HIDDEN)
        return without_passwords(text)


def without_passwords(text: str) -> str:
    """``text`` with the password of every URL in it taken out, also from query parameters named like secrets.

    Cuts too much rather than too little where a password holds unescaped ``@`` or ``/``.
    """
    return _QUERY.sub(rf"\g<name>{HIDDEN}", _USERINFO.sub(r"\g<head>@", text))


def split_password(url: str) -> tuple[str, str | None]:
    """The URL without its password, and the password (decoded), None when there is none.

    Only ``scheme://`` URLs can carry one. UsageError for an unescaped ``/`` in a password, without repeating it.
    """
    if "://" not in url:
        return url, None
    parts = urlsplit(url)
    if "@" not in parts.netloc and "@" in parts.path + parts.fragment:
        raise UsageError(
            "this URL cannot be read",
            where=without_passwords(url),
            hint="percent-encode special characters of the password (/ is %2F, @ is %40, # is %23, ? is %3F)",
        )
    user, at, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    if not at or not colon:
        return _without_query_password(url)
    return parts._replace(netloc=f"{name}@{host}").geturl(), unquote(password)


def _without_query_password(url: str) -> tuple[str, str | None]:
    parts = urlsplit(url)
    kept: list[str] = []
    found: str | None = None
    for pair in parts.query.split("&"):
        name, _, value = pair.partition("=")
        if name == "password":
            found = unquote(value)
        else:
            kept.append(pair)
    return (url, None) if found is None else (parts._replace(query="&".join(kept)).geturl(), found)
