"""Which kind of store a URL names; a kind's module is loaded only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from holdfast.model.errors import UsageError
from holdfast.storage.address import Address
from holdfast.storage.base import Storage


def open_storage(url: str, *, credentials: Mapping[str, str], password: str | None = None) -> Storage:
    """The store that ``url`` names. Nothing is read or written yet, except that table stores connect.

    ``credentials`` holds AWS_…, GOOGLE_…, AZURE_… settings under their usual names; ``password`` is for
    databases. UsageError when the URL cannot be understood.
    """
    address = Address.parse(url, credentials, password)
    factory = FACTORIES.get(address.scheme)
    if factory is None:
        raise UsageError(
            f"there is no kind of repository called {address.scheme}:",
            where=f"{address.scheme}:…",  # the rest may hold a password
            hint=f"{_CHOICE}; a path with a colon is written file:PATH",
        )
    if not address.rest:
        raise UsageError("the repository URL is empty", hint=_CHOICE)
    return factory(address)


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
                "a file: URL names a folder of this machine",
                where=f"file:{address.rest}",
                hint="file:/absolute/path",
            )
    if "\0" in path:
        raise UsageError("a path cannot contain a NUL character", where=repr(path))
    return LocalStorage(path)


def _open_memory(address: Address) -> Storage:
    from holdfast.storage.memory import named

    return named(address.rest)


def _open_s3(address: Address) -> Storage:
    from holdfast.storage.services import open_s3

    return open_s3(address)


def _open_gcs(address: Address) -> Storage:
    from holdfast.storage.services import open_gcs

    return open_gcs(address)


def _open_azure(address: Address) -> Storage:
    from holdfast.storage.services import open_azure

    return open_azure(address)


def _open_postgres(address: Address) -> Storage:
    from holdfast.storage.postgres_table import open_postgres

    return open_postgres(address)


def _open_sqlite(address: Address) -> Storage:
    from holdfast.storage.sqlite_table import open_sqlite

    return open_sqlite(address)


FACTORIES: dict[str, Callable[[Address], Storage]] = {
    "": _open_local,
    "file": _open_local,
    "memory": _open_memory,
    "s3": _open_s3,
    "gs": _open_gcs,
    "az": _open_azure,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
    "sqlite": _open_sqlite,
}
"""Scheme to kind; ``""`` is a plain path. A third kind of store is added by adding it here."""
