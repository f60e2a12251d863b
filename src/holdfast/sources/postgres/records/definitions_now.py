"""The definitions of the living database, in the very snapshot its rows are looked at in."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

from holdfast.sources.base import Cut, Piece, PieceResult, Previous
from holdfast.sources.postgres.catalog_stamp import catalog_stamp
from holdfast.sources.postgres.conninfo import ChildAuth
from holdfast.sources.postgres.dump import DumpOptions, archive, start_dump
from holdfast.sources.postgres.items import DEFINITIONS, KIND_DEFINITIONS
from holdfast.sources.postgres.opening import Options
from holdfast.sources.postgres.records.live_book import PostgresLiveBook
from holdfast.sources.postgres.stream import Session
from holdfast.sources.postgres.tools import tool

_STAMPED = 140000


class DefinitionsNow:
    """``piece`` to be stored: kept from the last snapshot where the catalogs are what they were, else pg_dump's."""

    def __init__(self, book: PostgresLiveBook, options: Options, previous: Previous | None) -> None:
        self._stack = ExitStack()
        facts = book.facts()
        version = int(facts["server_version_num"])
        pg_dump = tool("pg_dump", version)
        wanted = DumpOptions(owner=options.owner, acl=options.acl)
        stamp = b""
        if version >= _STAMPED:
            stamp = catalog_stamp(
                book.connection, pg_dump.version, str(facts["server_version"]), repr(wanted), str(facts["database"])
            )
        before = previous.item(DEFINITIONS) if previous is not None else None
        if before is not None and stamp and len(before.segments) == 1 and before.segments[0].stamp == stamp:
            self.piece = Piece(
                item=DEFINITIONS, kind=KIND_DEFINITIONS, kept=before.segments, item_notes=before.notes
            )
            return
        auth = self._stack.enter_context(ChildAuth(book.conninfo, options.environ))
        session = Session(
            psql="", conninfo=book.conninfo, auth=auth, snapshot=book.snapshot, encoding=str(facts["encoding"])
        )
        child = start_dump(pg_dump, session, wanted)
        self._stack.callback(child.close)
        result = PieceResult(stamp=stamp)
        self.piece = Piece(
            item=DEFINITIONS, kind=KIND_DEFINITIONS, cut=Cut.WHOLE, blocks=archive(child, session),
            base=before.segments[0] if before is not None and before.segments else None,
            item_notes={"pg_dump": pg_dump.version}, result=lambda: result,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self._stack.close()
