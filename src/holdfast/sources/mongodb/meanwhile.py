"""What others write while a restore into a living database goes on: MongoDB locks no collection for anybody."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pymongo.errors import PyMongoError

from holdfast.model.errors import SourceError, TargetError
from holdfast.sources.mongodb import items as kinds
from holdfast.sources.mongodb.inventory import listed
from holdfast.sources.mongodb.overtaken import Follower
from holdfast.sources.mongodb.place import Base
from holdfast.sources.mongodb.swapping import key_of
from holdfast.sources.mongodb.verifying import fingerprint, form_of

_NOTHING: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Meanwhile:
    """Followed from before the snapshot for undo is taken.

    A server that tells of writes is asked which documents they were. Of one that does not (no replica set, no right to
    the change stream, measurements), collections are read before and after that snapshot and have to be the same.
    """

    base: Base
    follower: Follower | None
    known: frozenset[str]
    before: dict[str, tuple[int, int]]
    heard: dict[str, set[bytes]] = field(default_factory=dict)

    @classmethod
    def begun(cls, base: Base, touched: dict[str, str]) -> Meanwhile:
        """From now on; ``touched``: kinds of collections by name. PyMongoError when they cannot be read."""
        known = frozenset(name for name, kind in touched.items() if kind == kinds.KIND_COLLECTION)
        follower: Follower | None
        try:
            follower = Follower(base, known.__contains__)
        except PyMongoError:
            follower, known = None, frozenset()
        unheard = {name: kind for name, kind in touched.items() if name not in known}
        return cls(base, follower, known, {name: _print(base, name, kind) for name, kind in unheard.items()})

    def refuse_unheard(self, touched: dict[str, str]) -> None:
        """TargetError when a collection nobody tells of is not what it was; nothing has been written by then."""
        changed = [name for name, was in self.before.items() if _print(self.base, name, touched[name]) != was]
        if changed:
            raise TargetError(
                "others are writing to what is to be restored", where=self.base.name, why=", ".join(sorted(changed)),
                retryable=True,
                hint="nothing was changed; stop those who write there and run it again: this server tells nobody what "
                "is written, so what they write could be lost",
            )  # fmt: skip

    def written_to(self, name: str) -> Callable[[], AbstractSet[bytes]]:
        """Asks for identities of the documents of one collection that were written to until the moment of asking."""

        def asked() -> AbstractSet[bytes]:
            if self.follower is not None:
                self._hear(self.follower)
            return self.heard.get(name, _NOTHING)

        return asked

    def _hear(self, follower: Follower) -> None:
        try:
            written = follower.written_so_far(set(self.known))
        except SourceError as error:
            raise TargetError(
                "a collection was dropped or renamed while it was restored", where=error.where, why=error.why,
                hint="run it again; the snapshot for undo holds what was there before", retryable=True,
            ) from error  # fmt: skip
        for name, keys in written.items():
            self.heard.setdefault(name, set()).update(map(key_of, keys))

    def close(self) -> None:
        """Let go of the stream."""
        if self.follower is not None:
            self.follower.close()


def _print(base: Base, name: str, kind: str) -> tuple[int, int]:
    return fingerprint(listed(base, {"find": name}), form_of(kind))
