"""Is the repository kept apart from what it protects? Judged by the addresses in the configuration."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

_POSTGRES = ("postgresql", "postgres")
_MONGODB = ("mongodb", "mongodb+srv")
_THIS = ("", "localhost", "127.0.0.1", "::1")
_HERE = "this machine"
_PORTS = {"mongodb": 27017, "mongodb+srv": 0}


def same_server(repository_url: str, sources: Mapping[str, str]) -> dict[str, str]:
    """Sources whose server also keeps the repository, each with that place in words."""
    here = _server(repository_url)
    return {
        name: f"the same server as {name} ({here[0]}:{here[1]})"
        for name, url in sources.items()
        if here is not None and here == _server(url)
    }


def same_machine(repository_url: str, sources: Mapping[str, str]) -> list[str]:
    """Sources whose server, another than the repository's, is on the machine on which the repository is kept."""
    at = _server(repository_url)
    machine = at[0] if at is not None else _HERE if _path(repository_url) is not None else None
    servers = {name: _server(url) for name, url in sources.items()}
    return [name for name, each in servers.items() if each is not None and each != at and each[0] == machine]


def databases_beside(sources: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """By source: every database on its server that one of the sources names."""
    named: dict[tuple[str, int], set[str]] = {}
    for url in sources.values():
        if (server := _server(url)) is not None:
            named.setdefault(server, set()).add(unquote(urlsplit(url).path.strip("/")))
    servers = {name: _server(url) for name, url in sources.items()}
    return {name: frozenset(named[server]) for name, server in servers.items() if server is not None}


def same_disk(repository_url: str, sources: Mapping[str, str]) -> list[str]:
    """Sources of files that lie on the disk on which the repository lies."""
    here = _device(_path(repository_url))
    return [name for name, url in sources.items() if here is not None and here == _device(_path(url))]


def _server(url: str) -> tuple[str, int] | None:
    """(host, port) of a database server; of several hosts all of them: losing one of them loses no data."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in _MONGODB:
            hosts = sorted(parts.netloc.rpartition("@")[2].lower().split(","))
            if len(hosts) > 1:
                return ",".join(hosts), 0
        elif parts.scheme not in _POSTGRES:
            return None
        host = (parts.hostname or parse_qs(parts.query).get("host", [""])[0]).lower()
        here = host in _THIS or host.startswith("/")
        return (_HERE if here else host, parts.port or _PORTS.get(parts.scheme, 5432))
    return None


def _path(url: str) -> Path | None:
    """The path a URL of a folder or file names; None for anything that is elsewhere."""
    scheme, colon, rest = url.partition(":")
    if not colon or "/" in scheme:
        return Path(url)
    if scheme not in ("file", "files", "sqlite"):
        return None
    path = rest.partition("?")[0]
    return Path("/" + path.removeprefix("//").partition("/")[2] if path.startswith("//") else path)


def _device(path: Path | None) -> int | None:
    """Of the path, or of the nearest folder above it that is there."""
    if path is None:
        return None
    for each in (path, *path.absolute().parents):
        with contextlib.suppress(OSError):
            return os.stat(each).st_dev
    return None
