"""holdfast.json: which repository this is, and whether this version may touch it."""

from __future__ import annotations

import json
import os
from typing import Any

from holdfast.model.errors import Damaged, NewerFormat, ObjectExists, ObjectMissing, RepositoryMissing
from holdfast.model.ids import is_id
from holdfast.repository.layout import FORMAT, KEYS, MAGIC, ROOT
from holdfast.storage.base import Storage

KNOWN_FEATURES: frozenset[str] = frozenset()
_BRING_BACK = "bring holdfast.json back from a copy of the repository"


def claim_identity(storage: Storage) -> str:
    """The identifier of the repository to be made: a new one, or that of an init that was interrupted."""
    try:
        return read_identity(storage)[0]
    except RepositoryMissing:
        pass
    identity = os.urandom(16).hex()
    config = {"magic": MAGIC, "format": FORMAT, "id": identity, "features": []}
    try:
        storage.put_new(ROOT, json.dumps(config, indent=1).encode() + b"\n")
    except ObjectExists:  # another init at the same moment: the log decides whose it is
        return read_identity(storage)[0]
    return identity


def read_identity(storage: Storage) -> tuple[str, bytes]:
    """The identifier and the exact bytes of holdfast.json. RepositoryMissing, Damaged, NewerFormat."""
    try:
        raw = storage.get(ROOT)
    except ObjectMissing as error:
        raise _missing(storage) from error
    try:
        config = json.loads(raw)
        magic, form, identity, features = config["magic"], config["format"], config["id"], config["features"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged("holdfast.json cannot be read", where=storage.url, why=str(error), hint=_BRING_BACK) from error
    if magic != MAGIC or not isinstance(identity, str) or not is_id(identity) or not isinstance(features, list):
        raise Damaged("holdfast.json is not a holdfast repository's", where=storage.url, hint=_BRING_BACK)
    _require_known(storage, form, features)
    return identity, raw


def _missing(storage: Storage) -> Damaged | RepositoryMissing:
    if next(storage.list(KEYS), None) is not None:
        return Damaged("holdfast.json is missing, although there are keys", where=storage.url, hint=_BRING_BACK)
    return RepositoryMissing(
        "there is no repository here",
        where=storage.url,
        hint="holdfast init creates one; check the url in holdfast.toml",
    )


def _require_known(storage: Storage, form: Any, features: list[Any]) -> None:
    unknown = sorted(set(map(str, features)) - KNOWN_FEATURES)
    if form != FORMAT or unknown:
        why = f"format {form}" + (f", features {', '.join(unknown)}" if unknown else "")
        raise NewerFormat("the repository needs a newer holdfast", where=storage.url, why=why, hint="upgrade holdfast")
