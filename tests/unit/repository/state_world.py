"""A log in memory: appends as a client would, with the guard asked first and the record encoded for real."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from holdfast.model.snapshot import SnapshotInfo
from holdfast.repository import guards, layout
from holdfast.repository import records as rec
from holdfast.repository.guards import Refusal
from holdfast.repository.state import LogState

ONE, TWO, THREE = (digit * 32 for digit in "123")


def pack(session: str, number: int = 0) -> bytes:
    """A pack's name."""
    return layout.pack_name(session, number)


def begin(session: str, **facts: object) -> rec.Begin:
    """A Begin record."""
    settings: dict[str, object] = {
        "purpose": "backup", "host": "here", "boot": "b1", "pid": 7, "started": "s", "version": "1", "time": "",
    }  # fmt: skip
    return rec.Begin(session=session, **{**settings, **facts})  # type: ignore[arg-type]


def snapshot(session: str, snapshot_id: str) -> rec.Snapshot:
    """A Snapshot record."""
    info = SnapshotInfo(
        id=snapshot_id, run="r", source="s", kind="files", trigger="manual", status="complete",
        created_at="2026-01-01T00:00:00Z", rows=None, item_count=1, bytes_source=1, bytes_read=1, bytes_new=1,
        bytes_stored=1, seconds=0.1, not_protected=[], warnings=[],
    )  # fmt: skip
    return rec.Snapshot(session=session, info=info, root=b"r" * 32)


class MemoryLog:
    """The log's plain bytes and the state they lead to."""

    def __init__(self) -> None:
        self.state = LogState()
        self.records: list[bytes] = []
        self.put(rec.Init(repository="f" * 32, config_hash=b"c" * 32))

    def put(self, *bodies: rec.Body) -> LogState:
        """Append without asking anybody."""
        for body in bodies:
            data = rec.encode(self.envelope(body))
            self.state.apply_bytes(data)
            self.records.append(data)
        return self.state

    def envelope(self, body: rec.Body, **change: object) -> rec.Envelope:
        """The next record."""
        place: dict[str, object] = {"number": self.state.number + 1, "previous": self.state.hash}
        return rec.Envelope(time="t", client="c", body=body, **{**place, **change})  # type: ignore[arg-type]

    def put_foreign(self, kind: str, without: str | None) -> LogState:
        """Append a record of a kind that only a later version knows."""
        place = {"number": self.state.number + 1, "previous": self.state.hash, "time": "t", "client": "c"}
        mark = {} if without is None else {"without": without}
        data = msgspec.msgpack.encode({**place, **mark, "body": {"kind": kind, "anything": [1, {"a": b"b"}]}})
        self.state.apply_bytes(data)
        self.records.append(data)
        return self.state

    def ask(self, refusals: Iterable[Refusal], body: rec.Body) -> LogState:
        """Append when the guard has nothing against it; raise what it has."""
        guards.require(refusals)
        return self.put(body)

    def cover(self, *packs: bytes) -> guards.Cover:
        """A cover counted at the head."""
        return guards.Cover(self.state.number, frozenset(packs))
