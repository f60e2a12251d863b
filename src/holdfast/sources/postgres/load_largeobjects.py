"""Puts large objects back under their old numbers, with their owners, grants and comments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice

import psycopg

from holdfast.model.errors import Damaged
from holdfast.model.snapshot import Item
from holdfast.sources.base import Content
from holdfast.sources.postgres.connection import Connection
from holdfast.sources.postgres.items import META_KEY
from holdfast.sources.postgres.load import copy_in
from holdfast.sources.postgres.names import literal, quote
from holdfast.sources.postgres.target_place import reason

_BATCH = 1000  # a transaction that changes more of them can run out of locks


@dataclass(slots=True)
class LargeObjectsLoaded:
    """``objects`` made, ``lost`` what is missing, ``problems`` owners and grants that could not be kept."""

    objects: int = 0
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeObjectsRules:
    """``owners``: roles that may be given any. ``overwrite`` those that exist, remove all others (``exact``)."""

    owners: frozenset[str]
    acl: bool = True
    overwrite: bool = False
    exact: bool = False


def load_large_objects(
    connection: Connection, item: Item, content: Content, rules: LargeObjectsRules
) -> LargeObjectsLoaded:
    """Create those that do not exist (or all, when they are overwritten) and write their bytes."""
    loaded = LargeObjectsLoaded()
    connection.execute(
        "CREATE TEMP TABLE holdfast_lo_meta (lo oid, owner text, acl text, comment text);"
        "CREATE TEMP TABLE holdfast_lo_data (lo oid, at bigint, bytes bytea);"
        "CREATE TEMP TABLE holdfast_lo_made (lo oid)"
    )
    for segment in item.segments:
        if segment.key == META_KEY:
            copy_in(connection, "COPY pg_temp.holdfast_lo_meta FROM STDIN", content.blocks(segment))
    _remove(connection, rules)
    loaded.objects = _create(connection, rules.owners)
    for segment in item.segments:
        if segment.key != META_KEY:
            try:
                rows = _write(connection, content.blocks(segment))
            except Damaged as error:
                loaded.lost.append(f"large objects {segment.key}: damaged in the repository ({error.what})")
            else:
                if rows != segment.rows:
                    loaded.lost.append(f"large objects {segment.key}: {rows} pieces written, {segment.rows} saved")
    for statement in _labels(connection, acl=rules.acl):
        try:
            with connection.transaction():
                connection.execute(statement)
        except psycopg.Error as error:
            if connection.closed:
                raise
            loaded.problems.append(f"large objects: {reason(error)}")
    connection.execute("DROP TABLE pg_temp.holdfast_lo_meta, pg_temp.holdfast_lo_data, pg_temp.holdfast_lo_made")
    return loaded


def _remove(connection: Connection, rules: LargeObjectsRules) -> None:
    """Unlink what is to be written again, and what the snapshot does not have."""
    saved = "EXISTS (SELECT FROM pg_temp.holdfast_lo_meta m WHERE m.lo = l.oid)"
    chosen = [condition for wanted, condition in ((rules.overwrite, saved), (rules.exact, f"NOT {saved}")) if wanted]
    if chosen:
        connection.execute(
            "SELECT count(pg_catalog.lo_unlink(l.oid)) FROM pg_catalog.pg_largeobject_metadata l"
            f" WHERE {' OR '.join(chosen)}"
        )


def _create(connection: Connection, owners: frozenset[str]) -> int:
    rows = connection.execute(
        "SELECT owner, lo FROM pg_temp.holdfast_lo_meta m WHERE NOT EXISTS"
        " (SELECT FROM pg_catalog.pg_largeobject_metadata l WHERE l.oid = m.lo) ORDER BY owner, lo"
    ).fetchall()
    for owner, group in groupby(rows, key=lambda row: row[0]):
        for numbers in _batches([row[1] for row in group]):
            with connection.transaction():
                if owner in owners:
                    connection.execute(f"SET LOCAL ROLE {quote(owner)}")
                connection.execute("SELECT pg_catalog.lo_create(o) FROM pg_catalog.unnest(%s::oid[]) o", (numbers,))
                if owner in owners:  # where this is a savepoint, SET LOCAL would outlive it
                    connection.execute("RESET ROLE")
            connection.execute("INSERT INTO pg_temp.holdfast_lo_made SELECT pg_catalog.unnest(%s::oid[])", (numbers,))
    return len(rows)


def _write(connection: Connection, blocks: Iterator[bytes]) -> int:
    with connection.transaction():
        connection.execute("TRUNCATE pg_temp.holdfast_lo_data")
        rows = copy_in(connection, "COPY pg_temp.holdfast_lo_data FROM STDIN", blocks)
        connection.execute(
            "SELECT count(pg_catalog.lo_put(lo, at, bytes)::text) FROM"
            " (SELECT * FROM pg_temp.holdfast_lo_data JOIN pg_temp.holdfast_lo_made USING (lo) ORDER BY lo, at) d"
        )
    return rows


def _labels(connection: Connection, *, acl: bool) -> Iterator[str]:
    for lo, comment in connection.execute(
        "SELECT lo, comment FROM pg_temp.holdfast_lo_meta JOIN pg_temp.holdfast_lo_made USING (lo)"
        " WHERE comment IS NOT NULL"
    ).fetchall():
        yield f"COMMENT ON LARGE OBJECT {lo} IS {literal(comment)}"
    if not acl:
        return
    rows = connection.execute(
        "SELECT acl, owner, lo FROM pg_temp.holdfast_lo_meta JOIN pg_temp.holdfast_lo_made USING (lo)"
        " WHERE acl IS NOT NULL ORDER BY acl, owner, lo"
    ).fetchall()
    for (granted, owner), group in groupby(rows, key=lambda row: (row[0], row[1])):
        for numbers in _batches([row[2] for row in group]):
            yield from _grants(connection, granted, owner, numbers)


def _grants(connection: Connection, granted: str, owner: str, numbers: Sequence[int]) -> Iterator[str]:
    listed = ", ".join(map(str, numbers))
    try:
        rights = connection.execute(
            "SELECT CASE grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(grantee) END, privilege_type,"
            " is_grantable FROM pg_catalog.aclexplode(%s::aclitem[])",
            (granted,),
        ).fetchall()
    except psycopg.errors.UndefinedObject as error:  # a role of the saved server that does not exist here
        yield f"DO $$BEGIN RAISE 'grants not kept: %', {literal(reason(error))}; END$$"
        return
    yield f"REVOKE ALL ON LARGE OBJECT {listed} FROM PUBLIC, {quote(owner)}"
    for grantee, right, grantable in rights:
        role = "PUBLIC" if grantee is None else quote(grantee)
        yield f"GRANT {right} ON LARGE OBJECT {listed} TO {role}{' WITH GRANT OPTION' if grantable else ''}"


def _batches(numbers: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(numbers)
    while batch := list(islice(rest, _BATCH)):
        yield batch
