"""One consistent image of a database: tables by many lanes at once, everything else by one more beside them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from holdfast.model.errors import SourceError
from holdfast.model.events import Warned
from holdfast.sources.base import CaptureNotes, Piece
from holdfast.sources.postgres.beside import Beside
from holdfast.sources.postgres.catalog import changed_types, read_types
from holdfast.sources.postgres.compare import Comparison, Verdict
from holdfast.sources.postgres.guards import broken_history, can_stamp, nothing_happened
from holdfast.sources.postgres.inventory import Inventory
from holdfast.sources.postgres.reading import Lane, WorkQueue
from holdfast.sources.postgres.refusals import translating

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from holdfast.model.snapshot import Notes
    from holdfast.sources.base import CaptureRequest
    from holdfast.sources.postgres.opening import Opened, Options
    from holdfast.sources.postgres.reading import Read
    from holdfast.sources.postgres.stream import CopyStream
    from holdfast.sources.postgres.work import TableWork

_FLUSH_PATIENCE = 3.0


class PostgresCapture:
    """sources.base.Capture over one held snapshot."""

    def __init__(
        self, opened: Opened, options: Options, request: CaptureRequest, *, distrust: Sequence[str] = ()
    ) -> None:
        """``distrust``: rows of the last snapshot that were found to be others; nothing of it is kept then."""
        self._opened = opened
        self._options = options
        self._request = request
        self._streams: list[CopyStream] = []
        self._comparison: Comparison | None = None
        self._warnings: list[str] = []
        facts = opened.held.facts
        self._reasons = self._why_everything_is_read(distrust)
        self._keeping = request.previous is not None and not self._reasons
        self._inventory = Inventory(opened, request.previous, stamping=can_stamp(facts))
        self._beside = Beside(opened, options, self._inventory, keeping=self._keeping)
        self._round = int((request.previous.notes if request.previous else {}).get("round", -1)) + 1
        self._verdict = Verdict()
        self._asleep = opened.unasked.asleep if opened.unasked is not None else []

    @property
    def disproved(self) -> list[str]:
        """What of the sample contradicts that things may be kept unseen: another image has to be taken then."""
        if self._opened.unasked is None:
            return []
        self._compare()
        return self._verdict.alarms

    @property
    def ordered(self) -> bool:
        """Any order, several lanes."""
        return False

    @property
    def estimate(self) -> int | None:
        """Heap and toast of the tables: what COPY writes is of that order; of what is kept unseen its own size."""
        asleep = sum([item.size for item in self._asleep])
        return asleep + sum(one.size + one.toast_size for one in self._opened.held.tables)

    def opening_notes(self) -> Notes:
        """The guards, complete enough to resume from."""
        notes = self._opened.held.facts.notes()
        notes.update(
            token=self._opened.token, token_xid=self._opened.token_xid, flushed=False, round=self._round
        )
        return notes

    def lanes(self) -> Sequence[Iterator[Piece]]:
        """Compare with the last snapshot first, then one lane per session and one beside them."""
        with translating(self._opened.conninfo, doing="the catalogs could not be read"):
            self._beside.start()
        if self._keeping and self._comparison is None:
            self._compare()
        self._tell_verdict()
        work = WorkQueue(self._reads())
        width = max(1, self._request.width)
        lanes = [Lane(self._opened.session, work, self._streams).pieces() for _ in range(width)]
        return [*lanes, self._other_pieces()]

    def finish(self) -> CaptureNotes:
        """The snapshot must still be held and the types be what they were."""
        with translating(self._opened.conninfo, doing="the session that held the snapshot was lost"):
            return self._finish()

    def _finish(self) -> CaptureNotes:
        self._refuse_changed_types()
        notes = self.opening_notes()
        notes["flushed"] = self._is_flushed()
        notes["read_in_full_because"] = self._reasons
        notes["sampled"] = self._verdict.sampled
        notes.update(self._beside.notes())
        not_protected, facts = self._inventory.not_protected(), self._opened.held.facts
        notes.update(wish=self._opened.wish, not_protected=not_protected)
        return CaptureNotes(
            notes=notes, not_protected=[*not_protected, *self._beside.not_protected()],
            warnings=self._warnings,
            origin=f"PostgreSQL {facts.version_text} at {self._opened.conninfo.place}",
            identity=f"system {facts.system}, database {facts.database_oid}" if facts.system else "",
            neighbours=self._beside.neighbours(),
        )

    def close(self) -> None:
        """End every child, whatever it does."""
        for stream in self._streams:
            stream.close()
        if self._comparison is not None:
            self._comparison.close()
        self._beside.close()

    def _why_everything_is_read(self, distrust: Sequence[str]) -> list[str]:
        previous = self._request.previous
        if previous is None:
            return []
        if distrust:
            self._warn_alarm(distrust)
            return ["the sample was not what the last snapshot holds"]
        reasons = broken_history(previous.notes, self._opened.held.facts, self._opened.held.present)
        if reasons:
            self._warn("everything is read again: " + "; ".join(reasons))
        return reasons

    def _compare(self) -> None:
        previous = self._request.previous
        if previous is None:
            return
        self._comparison = Comparison(
            self._opened.session, previous, self._opened.held.connection,
            width=max(1, self._request.width), round_number=self._round,
        )
        quiet = nothing_happened(previous.notes, self._opened.held.facts)
        with translating(self._opened.conninfo, doing="unchanged rows could not be read for comparison"):
            self._verdict = self._comparison.run(self._inventory.tables, quiet=quiet)

    def _tell_verdict(self) -> None:
        for label in self._verdict.damaged:
            self._warn(f"{label}: the stored rows are damaged, they are read and stored again")
        if self._verdict.alarms:
            self._warn_alarm(self._verdict.alarms)

    def _reads(self) -> Iterator[Read]:
        """Every stretch that is not kept."""
        for work in self._inventory.tables:
            for place, stretch in enumerate(work.stretches):
                where = (work.item, stretch.start)
                if where not in self._verdict.kept:
                    yield work.read(place, self._verdict.stamps.get(where, b""))

    def _other_pieces(self) -> Iterator[Piece]:
        """What is kept, tables without rows, and everything that is not a table."""
        for work in self._inventory.tables:
            yield from self._kept_pieces(work)
        for item in self._asleep:
            yield Piece(item=item.name, kind=item.kind, kept=item.segments or None, item_notes=item.notes)
        with translating(self._opened.conninfo, doing="definitions, roles and sequences could not be read"):
            yield from self._beside.pieces()

    def _kept_pieces(self, work: TableWork) -> Iterator[Piece]:
        """One piece for each run of kept stretches; an empty table is a piece without content."""
        if not work.stretches and not work.first:
            yield Piece(item=work.item, kind=work.kind, item_notes=work.notes)
        run: Piece | None = None
        for place, stretch in enumerate(work.stretches):
            segment = self._verdict.kept.get((work.item, stretch.start))
            if segment is None:
                if run is not None:
                    yield run
                run = None
            elif run is None or run.kept is None:
                run = Piece(
                    item=work.item, kind=work.kind, order=work.first + place, kept=[segment],
                    item_notes=work.notes,
                )
            else:
                run.kept.append(segment)
        if run is not None:
            yield run

    def _refuse_changed_types(self) -> None:
        """A label renamed while rows were read would make rows that no definition of this snapshot accepts."""
        held = self._opened.held
        held.connection.execute("SELECT 1")
        now = read_types(self._opened.observer, held.catalog.columns.values())
        changed = changed_types(held.catalog.types, now)
        if changed:
            raise SourceError(
                "types were changed while their rows were being read", where=self._opened.conninfo.url,
                why="changed: " + ", ".join(changed[:10]), hint="run the backup again", retryable=True,
            )

    def _is_flushed(self) -> bool:
        """Whether all that the snapshot saw has reached the log's disk; waits a moment for it."""
        lsn = self._opened.insert_lsn
        deadline = time.monotonic() + _FLUSH_PATIENCE
        while lsn:
            row = self._opened.observer.execute("SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn", [lsn]).fetchone()
            if row and row[0]:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return False

    def _warn_alarm(self, rows: Sequence[str]) -> None:
        self._warn(
            "ALARM: rows that looked unchanged were not what the last snapshot holds ("
            + ", ".join(rows[:5]) + "); everything was read again. Please report this."
        )

    def _warn(self, text: str) -> None:
        self._warnings.append(text)
        self._request.report(Warned(source=self._request.source, text=text))
