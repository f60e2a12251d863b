"""Documents as extended JSON: with every type kept, or relaxed for readers that know JSON's own types only."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import bson
from bson import DatetimeMS, Int64
from bson.json_util import CANONICAL_JSON_OPTIONS, JSONMode, JSONOptions, default, object_hook

from holdfast.model.errors import UsageError
from holdfast.model.records import Row
from holdfast.sources.mongodb.values import LOOKING

VERBATIM = "$bson"
"""The name under which a document's own bytes stand, in base64."""

NOT_READ = (UsageError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, bson.errors.BSONError)
"""What is raised of extended JSON that is none: an object may have names that look like it."""

READING = JSONOptions(
    json_mode=JSONMode.CANONICAL, tz_aware=True, datetime_conversion=LOOKING.datetime_conversion,
    uuid_representation=LOOKING.uuid_representation,
)  # fmt: skip
"""How extended JSON is read and written here."""

_EPOCH, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_KEPT = 1 << 53


def told_row(row: Row, *, exact: bool) -> dict[str, Any]:
    """A document in relaxed extended JSON; beside it its bytes where that does not tell all there is.

    ``exact``: every type kept, so that documents that differ are told differently.
    """
    if not row.raw:
        return {name: told(value, relaxed=not exact) for name, value in row.values.items()}
    found = kept(row.raw)
    if found is None:
        shown = {name: told(value, relaxed=True) for name, value in row.values.items()}
        return {**shown, VERBATIM: base64.b64encode(row.raw).decode()}
    return found if exact else told(bson.decode(row.raw, LOOKING), relaxed=True)


def kept(raw: bytes) -> dict[str, Any] | None:
    """A document in extended JSON that means just these bytes; None where there is none."""
    try:
        found = told(bson.decode(raw, LOOKING))
        return found if written(_reread(found)) == raw else None
    except NOT_READ:
        return None


def told(value: Any, *, relaxed: bool = False) -> Any:
    """A decoded value in extended JSON that keeps its type; ``relaxed``: 64 bit numbers as JSON's where they fit."""
    if value is None or isinstance(value, bool) or type(value) in (str, int):
        return value
    if type(value) is dict or (isinstance(value, Mapping) and not hasattr(value, "as_doc")):
        return {name: told(each, relaxed=relaxed) for name, each in value.items()}
    if isinstance(value, list):
        return [told(each, relaxed=relaxed) for each in value]
    if isinstance(value, Int64):
        return int(value) if relaxed and abs(value) <= _KEPT else {"$numberLong": str(int(value))}
    if isinstance(value, float):
        return value if math.isfinite(value) else default(value, CANONICAL_JSON_OPTIONS)
    if isinstance(value, datetime) and _EPOCH <= value < _LAST:
        return {"$date": value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if isinstance(value, datetime | DatetimeMS):
        number = int(value) if isinstance(value, DatetimeMS) else round((value - _EPOCH).total_seconds() * 1000)
        return {"$date": {"$numberLong": str(number)}}
    return _read_back(default(value, READING), relaxed=relaxed)


def _read_back(found: Any, *, relaxed: bool) -> Any:
    """What json_util leaves inside (the scope of code, the id of a reference) told likewise."""
    return {name: told(each, relaxed=relaxed) for name, each in found.items()} if isinstance(found, Mapping) else found


def _reread(found: Any) -> Any:
    """As it would come out of a file: a float as its digits."""
    if isinstance(found, float):
        return found
    return read(found)


def read(value: Any) -> Any:
    """What extended JSON stands for."""
    if isinstance(value, Mapping):
        found = {name: read(each) for name, each in value.items()}
        return object_hook(found, READING) if next(iter(found), "").startswith("$") else found
    if isinstance(value, list):
        return [read(each) for each in value]
    if not isinstance(value, Decimal):
        return value
    if math.isinf(number := float(value)):
        raise UsageError(f"{str(value)[:40]} is too large for a double", hint='say: {"$numberDecimal": "…"}')
    return number


def written(document: Any) -> bytes:
    """A document's bytes. UsageError for what is none."""
    if not isinstance(document, Mapping):
        raise UsageError("this is no document")
    return bson.encode(document, codec_options=LOOKING)
