"""Places as written in a file or on a command line, made independent of the folder they were written in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from holdfast.model.errors import UsageError
from holdfast.model.secret import split_password, without_passwords
from holdfast.wiring.settings import SCHEMES

_HERE = ("localhost", "127.0.0.1", "::1")
_PATH_SCHEMES = ("sqlite", "files", "file")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def absolute(url: str, base: Path, home: Path) -> str:
    """``url`` with a relative path in it resolved against ``base``; other URLs unchanged."""
    scheme, colon, rest = url.partition(":")
    if _SCHEME.match(url) is None:
        return _absolute_path(url, base, home)
    if not colon or scheme.lower() not in _PATH_SCHEMES:
        return url
    path, question, query = rest.partition("?") if scheme.lower() == "sqlite" else (rest, "", "")
    if path.startswith("//"):
        path = "/" + path.lstrip("/") if path.startswith("///") else _refuse_host(url)
    return f"{scheme.lower()}:{_absolute_path(path, base, home)}{question}{query}"


def _absolute_path(path: str, base: Path, home: Path) -> str:
    if path == "~" or path.startswith("~/"):
        path = str(home) + path[1:]
    return os.path.normpath(os.path.join(base, path))


def _refuse_host(url: str) -> str:
    raise UsageError(
        "a path URL names a place on this machine", where=url, hint="write one colon and the path: files:/srv/media"
    )


def scheme_of(url: str) -> str | None:
    """The kind of source a URL names; None for a plain path or a bare name."""
    head, colon, _ = url.partition(":")
    return SCHEMES.get(head.lower()) if colon else None


def source_scheme(url: str) -> str:
    """The kind of source a URL names; UsageError when there is no such kind."""
    kind, rest = scheme_of(url), url.partition(":")[2]
    if kind is None or not rest:
        raise UsageError(
            "this is not the URL of a source" if rest else "the URL of this source is empty",
            where=without_passwords(url),
            hint="write postgresql://USER@HOST/DATABASE, mongodb://USER@HOST/DATABASE, sqlite:PATH or files:PATH",
        )
    return kind


def refuse_password(url: str, name: str, variable: str) -> None:
    """UsageError when ``url`` carries a password, telling the form to use instead."""
    bare, password = split_password(url)
    if password is not None:
        raise UsageError(
            f"{name} has a password in its URL; holdfast.toml holds references to secrets only",
            where=without_passwords(bare),
            hint=f'write url = "{bare}" and password = "env:{variable}" or "file:PATH"',
        )


def password_variable(source: str) -> str:
    """The environment variable proposed for a source's password: SHOP_PASSWORD for shop."""
    return re.sub(r"[^A-Z0-9]", "_", source.upper()).lstrip("0123456789_") + "_PASSWORD"


def local_path(url: str) -> str | None:
    """The path that a ``file:``, ``sqlite:`` or ``files:`` URL or a bare path stands for; None for servers."""
    if _SCHEME.match(url) is None:
        return url
    scheme, _, rest = url.partition(":")
    if scheme not in _PATH_SCHEMES:
        return None
    return rest.partition("?")[0] if scheme == "sqlite" else rest


def table_inside(repository: str, source: str) -> str | None:
    """The table of a repository that is kept in the very database a source protects; None when it is elsewhere."""
    kept, protected = database_of(repository), database_of(source)
    if kept is None or kept != protected:
        return None
    return dict(parse_qsl(urlsplit(repository).query)).get("table")


def shared(urls: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Names of (absolute) URLs that stand for one and the same place, in groups of two and more."""
    groups: dict[object, list[str]] = {}
    for name, url in urls.items():
        path = local_path(url)
        place = os.path.realpath(path) if path is not None else database_of(url) or url
        groups.setdefault(place, []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]


def database_of(url: str) -> tuple[str, int, str] | None:
    """(host, port, database) of a PostgreSQL URL, names of this machine made one; None for anything else."""
    parts = urlsplit(url)
    if SCHEMES.get(parts.scheme) != "postgresql":
        return None
    try:
        port = parts.port or 5432
    except ValueError:  # several hosts
        return None
    host = parts.hostname or "localhost"
    return ("localhost" if host in _HERE else host, port, parts.path.lstrip("/") or (parts.username or ""))
