"""What the guard's collection says: documents as they were, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holdfast.model.records import Row, Value
from holdfast.sources.guarding import Doer, Kept
from holdfast.sources.mongodb.records.book import row_of

COLLECTION = "holdfast_guard_deleted"
STATE = "holdfast_guard_state"


def _bytes(value: Value) -> bytes:
    assert isinstance(value, bytes)  # noqa: S101 - the guard wrote it
    return bytes(value)


def kept(rows: Iterable[Row]) -> Iterator[Kept]:
    """See sources.guarding.Guarding. MongoDB does not tell who deleted."""
    for row in rows:
        told = row.values
        yield Kept(
            number=int(str(told["id"])), table=str(told["table"]), row=row_of(_bytes(told["document"])),
            operation="delete", transaction=str(told["transaction_id"]), began=str(told["began"]), at=str(told["at"]),
            by=Doer(), shipment=str(told.get("shipment") or ""),
        )  # fmt: skip
