"""Where a PostgreSQL database is and who asks: parsed once, handed on without the password in it."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote as percent

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from holdfast.model.errors import HoldfastError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFUSED = {"replication", "service", "servicefile", "passfile", "client_encoding"}
_CHOOSING = {"target_session_attrs", "load_balance_hosts"}
_SECRET = {"password", "sslpassword", "oauth_client_secret"}
_DEFAULTS = {"connect_timeout": "15", "keepalives_idle": "30", "keepalives_interval": "10"}
_NO_LIMITS = "-c statement_timeout=0 -c lock_timeout=0"
_CHILD_VARIABLES = ("PATH", "HOME", "KRB5CCNAME", "KRB5_CONFIG", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conninfo:
    """One database of one server, and the role that connects. Printing it shows no secret.

    ``parameters`` are libpq's, without password and database; the database is never read as conninfo.
    """

    database: str
    parameters: Mapping[str, str]
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, password: str | None = None) -> Self:
        """Read ``postgresql://[user[:password]@][host[:port]]/database[?name=value]``; UsageError else."""
        if not url.startswith(("postgresql://", "postgres://")):
            raise UsageError("this is not a PostgreSQL URL", hint="write postgresql://USER@HOST/DATABASE")
        try:
            found = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
        except psycopg.Error:
            # libpq's own text may quote the part it stumbled over, which may be the password
            raise UsageError(
                "the PostgreSQL URL cannot be read",
                hint="percent-encode special characters: postgresql://USER@HOST:5432/DATABASE?sslmode=require",
            ) from None
        refused = sorted(_REFUSED & set(found))
        if refused:
            raise UsageError(f"the PostgreSQL URL sets {', '.join(refused)}, which holdfast sets itself")
        given = found.pop("password", None)
        database = found.pop("dbname", "") or found.get("user", "")
        return cls(
            database=database,
            parameters=MappingProxyType({**_DEFAULTS, **found}),
            password=password if password is not None else given,
        )

    def settled(self, connection: psycopg.Connection[Any]) -> Conninfo:
        """The same, but exactly the server, role and secret that an open, direct connection ended up with.

        Time limits a role was given are off from the first statement on (a pooler would not take that).
        """
        info = connection.info
        found = {key: value for key, value in self.parameters.items() if key not in _CHOOSING}
        found.update(user=info.user, port=str(info.port))
        found["options"] = " ".join(filter(None, (found.get("options"), _NO_LIMITS)))
        if info.host:
            found["host"] = info.host
        if info.hostaddr and not info.host.startswith(("/", "@")):
            found["hostaddr"] = info.hostaddr
        return replace(
            self, database=info.dbname, parameters=MappingProxyType(found), password=info.password or None
        )

    @property
    def user(self) -> str:
        """The role, "" when libpq's default is meant."""
        return self.parameters.get("user", "")

    @property
    def place(self) -> str:
        """Host and port for people."""
        host = self.parameters.get("host") or self.parameters.get("hostaddr") or "localhost"
        return f"{host}:{self.parameters.get('port', '5432')}"

    @property
    def url(self) -> str:
        """Printable, without password."""
        host = self.parameters.get("host", "")
        account = f"{percent(self.user, safe='')}@" if self.user else ""
        port = f":{self.parameters['port']}" if "port" in self.parameters else ""
        if host.startswith("/"):
            return f"postgresql://{account}{port}/{percent(self.database, safe='')}?host={percent(host)}"
        return f"postgresql://{account}{host}{port}/{percent(self.database, safe='')}"

    def with_database(self, database: str) -> Conninfo:
        """The same server and role, another database."""
        return replace(self, database=database)

    def keywords(self) -> dict[str, Any]:
        """Arguments for ``psycopg.connect``, the password among them."""
        chosen: dict[str, Any] = dict(self.parameters)
        if self.database:
            chosen["dbname"] = self.database
        if self.password is not None:
            chosen["password"] = self.password
        return chosen

    def text(self) -> str:
        """A conninfo string for a command line: no secret in it."""
        shown: dict[str, Any] = {key: value for key, value in self.parameters.items() if key not in _SECRET}
        if self.database:
            shown["dbname"] = self.database
        return make_conninfo("", **shown)


class ChildAuth:
    """What psql and pg_dump need to log in: ``conninfo`` for ``--dbname``, ``environ`` with a password file.

    The file is readable by this user alone and lives until the context ends. Always pass ``-w`` as well.
    """

    def __init__(self, conninfo: Conninfo, environ: Mapping[str, str]) -> None:
        self._target = conninfo
        self.conninfo = conninfo.text()
        self.environ = {name: environ[name] for name in _CHILD_VARIABLES if name in environ}
        self.environ.setdefault("PATH", "/usr/local/bin:/usr/bin:/bin")
        self.environ["LC_ALL"] = "C"
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        password = self._target.password
        if password is None:
            return self
        if "\n" in password or "\0" in password:
            raise UsageError(
                "a PostgreSQL password with a line break cannot be handed to psql",
                hint="ALTER ROLE … PASSWORD with one that has none",
            )
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="holdfast-"))
            file = self._folder / "pgpass"
            file.touch(mode=0o600)
            file.write_text(f"*:*:*:*:{_pgpass_field(password)}\n", encoding="utf-8")
        except OSError as error:
            self.__exit__()
            raise HoldfastError(
                "the temporary folder cannot be written",
                where=tempfile.gettempdir(), why=error.strerror or "",
            ) from error
        self.environ["PGPASSFILE"] = str(file)
        return self

    def __exit__(self, *_problem: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _pgpass_field(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
