"""A MongoDB database: where it is, who asks, and a client for it; the password appears in nothing it gives out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.server_description import ServerDescription

from holdfast.model.errors import HoldfastError, SourceError, UsageError
from holdfast.sources.mongodb.refusals import translated
from holdfast.sources.mongodb.values import RAW

_BALANCED = (
    "behind a load balancer a read cannot be gone on with on the server it began on; name mongos servers without "
    "loadBalanced=true"
)

Client = MongoClient[RawBSONDocument]
Base = Database[RawBSONDocument]

_PATIENCE_MS = 15_000
_LONGEST = 63
_FORBIDDEN = set('/\\. "$*<>:|?\0')


class OneServer:
    """Of servers that may all be asked (several mongos, several secondaries) always the same: cursors live on one."""

    def __init__(self) -> None:
        self._used: list[tuple[str, int | None]] = []

    def __call__(self, servers: list[ServerDescription]) -> list[ServerDescription]:
        """What the driver chooses from."""
        by_address = {server.address: server for server in servers}
        for address in self._used:
            if address in by_address:
                return [by_address[address]]
        self._used += [server.address for server in servers[:1]]
        return servers[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One database of one deployment. ``hosts`` as written, several joined by commas; ``options`` of the URL."""

    scheme: str
    hosts: str
    user: str
    database: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, password: str | None = None) -> Place:
        """Read ``mongodb[+srv]://[user[:password]@]host[:port][,…]/database[?name=value]``; UsageError else."""
        parts = urlsplit(url)
        account, _, hosts = parts.netloc.rpartition("@")
        if parts.scheme not in ("mongodb", "mongodb+srv") or not hosts:
            raise UsageError("this is not a MongoDB URL", hint="write mongodb://USER@HOST/DATABASE")
        user, colon, given = account.partition(":")
        place = cls(
            scheme=parts.scheme,
            hosts=hosts,
            user=unquote(user),
            database=unquote(parts.path.lstrip("/")),
            options=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            password=password if password is not None else (unquote(given) if colon else None),
        )
        return place.checked()

    def checked(self) -> Place:
        """Itself; UsageError when no database can have its name."""
        if not self.database:
            raise UsageError(
                "the MongoDB URL names no database", where=self.url,
                hint="one source is one database: mongodb://USER@HOST/DATABASE?authSource=admin",
            )
        if set(self.database) & _FORBIDDEN or len(self.database.encode()) > _LONGEST:
            raise UsageError("no MongoDB database can have that name", where=self.url)
        return self

    def named(self, database: str) -> Place:
        """Another database of the same deployment, with the same login."""
        options = self.options
        if self.user and not any(name.lower() == "authsource" for name, _ in options) and self.scheme == "mongodb":
            options = (*options, ("authSource", self.database))
        return replace(self, database=database, options=options).checked()

    @property
    def url(self) -> str:
        """Printable, without password and options."""
        account = f"{quote(self.user, safe='')}@" if self.user else ""
        return f"{self.scheme}://{account}{self.hosts}/{quote(self.database, safe='')}"

    @property
    def server(self) -> tuple[str, str]:
        """What two places of the same deployment share."""
        return self.scheme, self.hosts.lower()

    @contextmanager
    def client(self, error: type[HoldfastError] = SourceError) -> Iterator[Client]:
        """A connected client. ``error`` when the server cannot be reached or refuses the login."""
        client: Client | None = None
        try:
            client = MongoClient(
                self._full_url(), document_class=RawBSONDocument, tz_aware=True, appname="holdfast",
                server_selector=OneServer(), **self._patience(),
            )  # fmt: skip
            if client.topology_description.topology_type_name == "LoadBalanced":
                raise ValueError(_BALANCED)
            if not client.write_concern.acknowledged:
                raise ValueError("w=0 would let every failed write pass for done")
            client.admin.command("ping")
            client[self.database].command("connectionStatus")
        except (PyMongoError, ValueError) as problem:
            if client is not None:
                client.close()
            raise translated(problem, self, doing="the server cannot be reached", kind=error) from None
        try:
            yield client
        finally:
            client.close()

    def base(self, client: Client) -> Base:
        """The database, its documents raw."""
        return client.get_database(self.database, codec_options=RAW)

    def _patience(self) -> dict[str, Any]:
        given = {name.lower() for name, _ in self.options}
        wanted = {"serverSelectionTimeoutMS": _PATIENCE_MS, "connectTimeoutMS": _PATIENCE_MS}
        return {name: value for name, value in wanted.items() if name.lower() not in given}

    def _full_url(self) -> str:
        account = quote(self.user, safe="")
        if account and self.password is not None:
            account += ":" + quote(self.password, safe="")
        account += "@" if account else ""
        query = f"?{urlencode(self.options)}" if self.options else ""
        return f"{self.scheme}://{account}{self.hosts}/{quote(self.database, safe='')}{query}"
