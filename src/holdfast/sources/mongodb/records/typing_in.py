"""Values a person types: what they mean is told by the values that stand in that field already."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bson import Binary, Decimal128, Int64, ObjectId
from bson.binary import UuidRepresentation
from bson.errors import BSONError
from bson.json_util import JSONMode, JSONOptions, dumps, loads

from holdfast.model.errors import UsageError

_EXTENDED = JSONOptions(tz_aware=True)
_QUOTED = JSONOptions(json_mode=JSONMode.CANONICAL, uuid_representation=UuidRepresentation.STANDARD)
_EXTENDED_BEGINS = ("{", "[", '"')
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}\Z")


def parse(text: str, column: str, seen: Iterable[Any]) -> Any:
    """``text`` as a value; extended JSON where it begins like it. UsageError when nothing in the field is like it."""
    if text[:1] in _EXTENDED_BEGINS:
        try:
            return loads(text, json_options=_EXTENDED)
        except (ValueError, TypeError, BSONError) as error:
            raise UsageError(f"this is no extended JSON: {text}", where=column, why=str(error)) from error
    kinds = {_kind(value) for value in seen} - {None}
    for kind in _BY_KIND if kinds else _GUESSED:
        if not kinds or kind in kinds:
            try:
                return _BY_KIND[kind](text)
            except (ValueError, ArithmeticError, BSONError, TypeError):
                continue
    if kinds and "str" not in kinds:
        raise UsageError(
            f"{text!r} cannot stand in {column}", why=f"its values are of type {', '.join(sorted(map(str, kinds)))}",
            hint='extended JSON says any type: \'{"$oid": "…"}\', \'"text"\', \'{"$numberLong": "5"}\'',
        )  # fmt: skip
    return text


def readings(text: str, seen: Iterable[Any] | None) -> list[Any]:
    """Everything ``text`` may mean, as values of other types: ``seen`` narrows it to types that are there.

    One at most where extended JSON says the type.
    """
    if text[:1] in _EXTENDED_BEGINS:
        return []
    kinds = set(_BY_KIND) if seen is None else {_kind(value) for value in seen}
    found: list[Any] = []
    for kind, read in _BY_KIND.items():
        if kind in kinds:
            with contextlib.suppress(ValueError, ArithmeticError, BSONError, TypeError):
                found.append(read(text))
    return [*found, None] if text == "null" else found


def told(value: Any) -> str:
    """A value and its type, for people."""
    if value is None:
        return "null"
    kind = _kind(value)
    return f"{value!r} (string)" if kind == "str" else f"{value} ({'int' if isinstance(value, int) else kind})"


def quoted(value: Any) -> str:
    """The extended JSON that means this value and no other."""
    return dumps(value, json_options=_QUOTED, ensure_ascii=False)


def _kind(value: Any) -> str | None:
    for kinds, name in _KINDS:
        if isinstance(value, kinds):
            return name
    return None


def _number(text: str) -> Any:
    try:
        number = int(text)
    except ValueError:
        found = float(text)
        if not math.isfinite(found) and text.lower() not in ("nan", "inf", "-inf", "infinity", "-infinity"):
            raise ValueError(text) from None
        return found
    return number if abs(number) < 1 << 31 else Int64(number)


def _object_id(text: str) -> ObjectId:
    if not _OBJECT_ID.match(text):
        raise ValueError(text)
    return ObjectId(text)


def _moment(text: str) -> datetime:
    """One without a zone is in UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


_KINDS: tuple[tuple[Any, str], ...] = (
    (bool, "bool"), (ObjectId, "ObjectId"), ((int, float), "number"), (Decimal128, "Decimal128"),
    (datetime, "date"), (Binary, "UUID"), (str, "str"),
)  # fmt: skip
_BY_KIND: dict[str, Callable[[str], Any]] = {
    "ObjectId": _object_id,
    "UUID": lambda text: Binary.from_uuid(UUID(text)),
    "bool": _flag,
    "number": _number,
    "Decimal128": Decimal128,
    "date": _moment,
    "str": str,
}
_GUESSED = ("ObjectId", "number", "str")
