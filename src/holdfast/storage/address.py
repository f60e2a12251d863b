"""A repository URL taken apart, with the secrets that open it kept out of sight."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from holdfast.model.errors import UsageError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """``SCHEME:REST``; ``scheme`` is empty for a plain path. The repr hides ``rest``."""

    scheme: str
    rest: str = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)
    password: str | None = field(repr=False)

    @staticmethod
    def parse(url: str, credentials: Mapping[str, str], password: str | None) -> Address:
        """Split the scheme off; everything else is the business of the kind of store."""
        found = _SCHEME.match(url)
        return Address(
            scheme=found.group(1).lower() if found else "",
            rest=url[found.end() :] if found else url,
            credentials=credentials,
            password=password,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """``//CONTAINER/PREFIX?OPTION=VALUE`` of an object store."""

    container: str
    prefix: str
    options: dict[str, str]


def parse_bucket(address: Address, allowed: Collection[str]) -> Bucket:
    """Container, prefix and options; UsageError for keys inside the URL and for options that do not exist."""
    shape = f"{address.scheme}://NAME/PREFIX"
    parts = urlsplit(f"{address.scheme}:{address.rest}")
    if "@" in parts.netloc:
        raise UsageError(
            "keys do not belong into a repository URL",
            where=f"{address.scheme}://…",
            hint=f"write {shape} and give the keys as environment variables",
        )
    prefix = unquote(parts.path).strip("/")
    if not parts.netloc or parts.fragment or any(part in ("", ".", "..") for part in prefix.split("/")[:-1]):
        where = f"{address.scheme}://…"
        raise UsageError("the repository URL cannot be read", where=where, hint=f"write {shape}")
    return Bucket(
        container=unquote(parts.netloc),
        prefix=prefix,
        options=parse_options(parts.query, allowed, f"{address.scheme}://{parts.netloc}/{prefix}"),
    )


def parse_options(query: str, allowed: Collection[str], where: str) -> dict[str, str]:
    """The ``name=value`` pairs of a query, all of them known."""
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in allowed:
            raise UsageError(
                f"a repository URL of this kind has no option {name[:40]!r}",
                where=where,
                hint=f"known: {', '.join(sorted(allowed))}",
            )
    return options
