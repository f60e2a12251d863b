"""What a server says about itself: version, identity, place in its history, and what changes how rows read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import psycopg

if TYPE_CHECKING:
    from holdfast.model.snapshot import Notes
    from holdfast.sources.postgres.connection import Connection

OLDEST_SERVER = 120000
TID_RANGE_SERVER = 140000
"""From here on block ranges are read without reading the whole table."""

_FACTS = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_database()::text,
  current_user::text, pg_is_in_recovery(), d.oid, pg_encoding_to_char(d.encoding), d.datcollate::text,
  d.datctype::text, pg_get_userbyid(d.datdba)::text, current_setting('block_size')::int,
  pg_postmaster_start_time()::text, pg_snapshot_xmin(s.now)::text::int8, pg_snapshot_xmax(s.now)::text::int8,
  s.now::text, coalesce(current_setting('neon.timeline_id', true), ''),
  (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), clock_timestamp()::text
FROM pg_database d, (SELECT pg_current_snapshot() AS now) s WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A server as one snapshot of one database found it.

    ``timeline`` is 0 where it is not known (a standby, or the functions are not allowed); ``system`` is 0
    likewise. ``lineage`` is a platform's own name for this history. ``xmax`` is the snapshot's, 64 bits.
    """

    version: int
    version_text: str
    database: str
    role: str
    standby: bool
    database_oid: int
    encoding: str
    collate: str
    ctype: str
    owner: str
    block_size: int
    postmaster_start: str
    xmin: int
    xmax: int
    snapshot: str
    lineage: str
    superuser: bool
    read_at: str
    provider: str = ""
    locale: str = ""
    collation_version: str = ""
    system: int = 0
    timeline: int = 0
    extensions: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def major(self) -> int:
        """The major version."""
        return self.version // 10000

    def notes(self) -> Notes:
        """As stored in a snapshot; the names are part of the format."""
        values = asdict(self)
        values["server_version_num"] = values.pop("version")
        values["server_version"] = values.pop("version_text")
        values["system_identifier"] = values.pop("system")
        values["extensions"] = [list(pair) for pair in self.extensions]
        values["settings"] = [list(pair) for pair in self.settings]
        return values

    @classmethod
    def from_notes(cls, notes: Notes) -> Self | None:
        """Out of an earlier snapshot's notes; None when they are not complete."""
        values = dict(notes)
        try:
            values["version"] = values["server_version_num"]
            values["version_text"] = values["server_version"]
            values["system"] = values["system_identifier"]
            values["extensions"] = tuple(tuple(pair) for pair in values["extensions"])
            values["settings"] = tuple(tuple(pair) for pair in values["settings"])
            return cls(**{field.name: values[field.name] for field in fields(cls)})
        except (KeyError, TypeError):
            return None


def read_facts(connection: Connection) -> Facts:
    """Ask, inside the open snapshot."""
    (row,) = connection.execute(_FACTS.encode()).fetchall()
    names = [field.name for field in fields(Facts)][: len(row)]
    values: dict[str, Any] = dict(zip(names, row, strict=True))
    values.update(_collation(connection, values["version"]))
    values["extensions"] = tuple(
        connection.execute("SELECT extname::text, extversion FROM pg_extension ORDER BY 1").fetchall()
    )
    values["settings"] = _settings(connection)
    values["system"] = _allowed(connection, "SELECT system_identifier FROM pg_control_system()") or 0
    if not values["standby"]:
        # the control file would answer with the timeline of the last checkpoint
        name = _allowed(connection, "SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        values["timeline"] = int(name[:8], 16) if name else 0
    return Facts(**values)


def _collation(connection: Connection, version: int) -> dict[str, str]:
    if version >= 170000:
        columns = "datlocprovider::text, coalesce(datlocale, ''), coalesce(datcollversion, '')"
    elif version >= 150000:
        columns = "datlocprovider::text, coalesce(daticulocale, ''), coalesce(datcollversion, '')"
    else:
        columns = "'c', '', ''"
    query = f"SELECT {columns} FROM pg_database WHERE datname = current_database()"
    (row,) = connection.execute(query.encode()).fetchall()
    return dict(zip(("provider", "locale", "collation_version"), row, strict=True))


def _settings(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Settings that change how rows are written and that the prelude does not fix."""
    names = ("server_encoding", "lc_numeric", "xmlbinary", "integer_datetimes", "default_text_search_config")
    found = []
    for name in names:
        (row,) = connection.execute("SELECT current_setting(%s, true)", [name]).fetchall()
        found.append((name, row[0] or ""))
    return tuple(found)


def _allowed(connection: Connection, query: str) -> Any:
    """The single value of a query this role may not be allowed to ask; None then."""
    try:
        with connection.transaction():
            row = connection.execute(query.encode()).fetchone()
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported,
            psycopg.errors.UndefinedFunction, psycopg.errors.ObjectNotInPrerequisiteState):
        return None
    return row[0] if row else None
