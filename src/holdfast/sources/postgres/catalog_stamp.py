"""Whether any definition changed: the same fingerprints as for rows, over the system catalogs themselves."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from holdfast.sources.postgres.copying import SUMS
from holdfast.sources.postgres.names import qualified

if TYPE_CHECKING:
    from holdfast.sources.postgres.connection import Connection

_NOT_DEFINITIONS = (
    "pg_statistic", "pg_statistic_ext_data", "pg_largeobject", "pg_largeobject_metadata", "pg_shdepend",
    "pg_subscription_rel", "pg_replication_origin",
)
_CATALOGS = """
SELECT c.relname, has_table_privilege(c.oid, 'SELECT') FROM pg_class c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND c.relname <> ALL(%s) ORDER BY 1
"""
# catalogs hold rows of initdb's transaction, whose age() stands for "always": here the number itself is needed
_VERSIONS = "SELECT ctid AS t, xmin::text::int8 AS x FROM ONLY {table} OFFSET 0"
_INSTEAD = {
    "pg_authid": "SELECT r FROM pg_roles r",
    "pg_user_mapping": "SELECT r FROM pg_user_mappings r",
    "pg_subscription": "SELECT ROW(oid, subdbid, subname, subowner, subenabled, subslotname, subpublications) r "
                       "FROM pg_subscription",
}


def catalog_stamp(connection: Connection, *facts: str) -> bytes:
    """A fingerprint of every definition in the database; ``facts`` are what else the dump depends on."""
    arms = []
    for name, readable in connection.execute(_CATALOGS, [list(_NOT_DEFINITIONS)]).fetchall():
        if readable:
            versions = _VERSIONS.format(table=qualified("pg_catalog", name))
            arms.append(f"SELECT '{name}' AS n, {SUMS} FROM ({versions}) v")
        elif name in _INSTEAD:
            arms.append(
                f"SELECT '{name}', count(*), sum(hashtextextended(v.r::text, 0)), 0 FROM ({_INSTEAD[name]}) v"
            )
    rows = connection.execute((" UNION ALL ".join(arms) + " ORDER BY 1").encode()).fetchall()
    text = "\n".join("|".join(map(str, row)) for row in rows) + "\n" + "\n".join(facts)
    return b"1|" + hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=24).hexdigest().encode()
