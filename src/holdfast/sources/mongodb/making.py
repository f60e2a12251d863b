"""Makes collections, views, indexes and roles out of the definitions of a snapshot, every option as it was."""

from __future__ import annotations

from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import Collection
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, look

_NOT_GIVEN_BACK = ("autoIndexId", "ns")


def create(base: Base, collection: Collection) -> None:
    """Make it empty, with every option but the one that would delete its documents. PyMongoError."""
    options = _options(collection)
    options.pop("expireAfterSeconds", None)
    base.command({"create": collection.name, **options}, codec_options=RAW)


def expire(base: Base, collection: Collection) -> None:
    """Give a time series or clustered collection its expiry back."""
    seconds = _options(collection).get("expireAfterSeconds")
    if seconds is not None and collection.kind != kinds.KIND_VIEW:
        base.command({"collMod": collection.name, "expireAfterSeconds": seconds}, codec_options=RAW)


def index_specs(collection: Collection, *, expiring: bool) -> list[dict[str, Any]]:
    """Definitions of its indexes, those that delete documents or the others; never that of ``_id``."""
    found = []
    for raw in collection.indexes:
        spec = {name: value for name, value in RawBSONDocument(raw, RAW).items() if name not in _NOT_GIVEN_BACK}
        by_id = list(look(raw).get("key", {}).items()) == [("_id", 1)]
        if by_id or spec.get("clustered"):
            continue
        if ("expireAfterSeconds" in spec) == expiring:
            found.append(spec)
    return found


def create_indexes(
    base: Base, collection: Collection, *, expiring: bool, there: frozenset[str] = frozenset()
) -> list[str]:
    """Build them one by one; what could not be built, in words. ``there``: names that exist and are left."""
    problems = []
    for spec in index_specs(collection, expiring=expiring):
        if spec["name"] in there:
            continue
        try:
            base.command({"createIndexes": collection.name, "indexes": [spec]}, codec_options=RAW)
        except PyMongoError as error:
            problems.append(f"index {spec['name']} could not be built: {told(error)}")
    return problems


def create_role(base: Base, raw: bytes, renamed: dict[str, str]) -> str | None:
    """Make a role of the database; what went wrong, in words. ``renamed``: database names that changed."""
    role = look(raw)
    command = {
        "createRole": role["role"],
        "privileges": [_privilege(each, renamed) for each in role.get("privileges") or []],
        "roles": [{**each, "db": renamed.get(each["db"], each["db"])} for each in role.get("roles") or []],
    }
    try:
        base.command(command, codec_options=RAW)
    except PyMongoError as error:
        return f"role {role['role']}: {told(error)}"
    return None


def told(error: PyMongoError) -> str:
    """The server's reason, on one line."""
    details = getattr(error, "details", None) or {}
    text = str(details.get("errmsg") or error).partition(", full error")[0]
    return text.splitlines()[0] if text else type(error).__name__


def _options(collection: Collection) -> dict[str, Any]:
    """Options as the server takes them: documents inside keep their bytes."""
    options = RawBSONDocument(collection.raw, RAW).get("options") or {}
    return {name: value for name, value in options.items() if name not in _NOT_GIVEN_BACK}


def _privilege(privilege: dict[str, Any], renamed: dict[str, str]) -> dict[str, Any]:
    resource = dict(privilege.get("resource") or {})
    if "db" in resource:
        resource["db"] = renamed.get(resource["db"], resource["db"])
    return {**privilege, "resource": resource}
