"""Gives the users of a database back with the passwords they had, as far as the server lets anybody do that."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bson import Binary
from bson.raw_bson import RawBSONDocument
from pymongo.errors import PyMongoError

from holdfast.sources.mongodb.making import told
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.values import RAW, look

_TEMPORARY = "tempusers"  # the one name the server's role "restore" may write to
_KEPT = ("credentials", "customData", "authenticationRestrictions")
_UUID = 4


def give_back(base: Base, users: Sequence[bytes], renamed: Mapping[str, str]) -> list[str]:
    """Make those that are not there; in words who was not made and what to type instead. Never raises for one."""
    if not users:
        return []
    there = _names(base)
    missing = [raw for raw in users if str(look(raw)["user"]) not in there]
    with_password = [raw for raw in missing if look(raw).get("credentials")]
    why = "the snapshot was made by a user who may not see passwords"
    if with_password:
        why = _merge(base, [_document(base.name, raw, renamed) for raw in with_password])
    now = _names(base)
    lost = [look(raw) for raw in missing if str(look(raw)["user"]) not in now]
    found = [f"users that are there already are left as they are: {', '.join(sorted(there))}"] if there else []
    if lost:
        commands = "; ".join(_commands(base, lost, renamed))
        found.append(f"users are not made ({why}), give them new passwords: {commands}")
    return found


def _merge(base: Base, documents: list[dict[str, Any]]) -> str:
    """Let the server take them over as they are; why it does not, "" when it did."""
    admin = base.client.admin
    try:
        if admin[_TEMPORARY].find_one() is not None:
            return f"admin.{_TEMPORARY} is in use by another restore"
        try:
            admin[_TEMPORARY].insert_many(documents)  # type: ignore[arg-type]
            admin.command({
                "_mergeAuthzCollections": 1, "tempUsersCollection": f"admin.{_TEMPORARY}", "drop": False,
                "db": base.name, "writeConcern": {"w": "majority"},
            }, codec_options=RAW)  # fmt: skip
        finally:
            admin.drop_collection(_TEMPORARY)
    except PyMongoError as error:
        return told(error)
    return ""


def _document(database: str, raw: bytes, renamed: Mapping[str, str]) -> dict[str, Any]:
    """As the server keeps it."""
    user = RawBSONDocument(raw, RAW)
    return {
        "_id": f"{database}.{user['user']}", "userId": Binary(uuid.uuid4().bytes, _UUID), "user": user["user"],
        "db": database, **{name: user[name] for name in _KEPT if name in user}, "roles": _roles(look(raw), renamed),
    }  # fmt: skip


def _roles(user: Mapping[str, Any], renamed: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"role": str(role["role"]), "db": renamed.get(str(role["db"]), str(role["db"]))}
        for role in user.get("roles") or ()
    ]


def _commands(base: Base, users: list[dict[str, Any]], renamed: Mapping[str, str]) -> Iterator[str]:
    for user in users:
        name, roles = json.dumps(str(user["user"])), json.dumps(_roles(user, renamed))
        yield (
            f"db.getSiblingDB({json.dumps(base.name)}).createUser({{user: {name}, pwd: passwordPrompt(), "
            f"roles: {roles}}})"
        )


def _names(base: Base) -> set[str]:
    try:
        return {str(each["user"]) for each in base.command({"usersInfo": 1}, codec_options=RAW)["users"]}
    except PyMongoError:
        return set()
