"""Which kind of store a URL names; a kind's module is loaded only when it is used."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from holdfast.model.errors import UsageError
from holdfast.storage.base import Storage

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A repository URL with what opens it; ``credentials`` and ``password`` never show in its repr."""

    scheme: str
    rest: str
    credentials: Mapping[str, str] = field(repr=False)
    password: str | None = field(repr=False)

    @property
    def url(self) -> str:
        """As it was written."""
        return f"{self.scheme}:{self.rest}" if self.scheme else self.rest


def open_storage(url: str, *, credentials: Mapping[str, str], password: str | None = None) -> Storage:
    """The store that ``url`` names. Nothing is read or written yet, except that table stores connect.

    ``credentials`` holds AWS_…, GOOGLE_…, AZURE_… settings under their usual names; ``password`` is for
    databases. UsageError when the URL cannot be understood.
    """
    found = _SCHEME.match(url)
    scheme = found.group(1).lower() if found else ""
    rest = url[found.end() :] if found else url
    factory = FACTORIES.get(scheme)
    if factory is None:
        raise UsageError(
            f"there is no kind of repository called {scheme}:",
            where=f"{scheme}:…",  # the rest may hold a password
            hint=f"{_CHOICE}; a path with a colon is written file:PATH",
        )
    if not rest:
        raise UsageError("the repository URL is empty", hint=_CHOICE)
    return factory(Address(scheme=scheme, rest=rest, credentials=credentials, password=password))


FORMS = (
    "file:PATH", "s3://BUCKET/PREFIX", "gs://BUCKET/PREFIX", "az://CONTAINER/PREFIX",
    "postgresql://USER@HOST/DATABASE?table=NAME", "sqlite:PATH?table=NAME",
)  # fmt: skip
"""How repositories are written, for help texts."""

_CHOICE = f"write a folder's path, or one of {', '.join(FORMS)}"


def _open_local(address: Address) -> Storage:
    from holdfast.storage.local import LocalStorage

    path = address.rest
    if address.scheme and path.startswith("//"):
        host, slash, path = path[2:].partition("/")
        path = slash + path
        if host not in ("", "localhost") or not path:
            raise UsageError(
                "a file: URL names a folder of this machine", where=address.url, hint="file:/absolute/path"
            )
    if "\0" in path:
        raise UsageError("a path cannot contain a NUL character", where=repr(address.url))
    return LocalStorage(os.fspath(path))


def _open_memory(address: Address) -> Storage:
    from holdfast.storage.memory import named

    return named(address.rest)


FACTORIES: dict[str, Callable[[Address], Storage]] = {
    "": _open_local,
    "file": _open_local,
    "memory": _open_memory,
}
"""Scheme to kind; ``""`` is a plain path. A third kind of store is added by adding it here."""
