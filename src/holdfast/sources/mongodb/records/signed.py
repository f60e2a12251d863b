"""A transaction of the server whose deletes the guard can tell apart in the change stream."""

from __future__ import annotations

from collections.abc import Mapping

from pymongo.client_session import ClientSession

from holdfast.model.records import Table
from holdfast.sources.mongodb.place import Base, Place
from holdfast.sources.mongodb.records.transaction import Transaction


class Signed(Transaction):
    """LiveTransaction (sources.records), and Signing (sources.guarding): whole or not at all."""

    def __init__(self, place: Place, base: Base, tables: Mapping[str, Table], session: ClientSession) -> None:
        super().__init__(place, base, tables, session)
        self._name = f"{session.session_id['id'].hex()}.{number_of(session)}"

    def settle(self) -> None:
        """See sources.guarding.Signing: MongoDB puts nothing off."""

    def signature(self) -> tuple[str, str]:
        """See sources.guarding.Signing: when it began is not known, the change stream tells when it was committed."""
        return self._name, ""

    def sign(self) -> None:
        """See sources.guarding.Signing: the change stream tells session and number itself."""


def number_of(session: ClientSession) -> int:
    """The number of a session's transaction: the driver counts them, and has no public name for it."""
    return int(session._transaction_id)  # noqa: SLF001
