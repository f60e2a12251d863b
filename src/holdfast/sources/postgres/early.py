"""What can be begun before it is needed: looking for programs while connecting, pg_dump while tables are locked."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Self

from holdfast.sources.postgres.definitions import python_codec
from holdfast.sources.postgres.dump import DumpOptions, exact_pattern, start_dump
from holdfast.sources.postgres.tools import on_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.sources.postgres.catalog import Relation
    from holdfast.sources.postgres.stream import Session
    from holdfast.sources.postgres.tools import Tool
    from holdfast.system.process import Child


class Looking:
    """Asks psql and pg_dump for their versions, beside what comes next."""

    def __init__(self) -> None:
        self._threads = [Thread(target=on_path, args=(name,), daemon=True) for name in ("psql", "pg_dump")]
        for thread in self._threads:
            thread.start()

    def wait(self) -> None:
        """Until the answers are there; what went wrong shows when the programs are asked for."""
        for thread in self._threads:
            thread.join()


class EarlyDump:
    """A pg_dump that runs from the moment its snapshot has a name. Ended with the context, whatever it does."""

    def __init__(self, pg_dump: Tool) -> None:
        self._pg_dump = pg_dump
        self.child: Child | None = None

    def start(self, session: Session, options: DumpOptions) -> None:
        """Begin, anew where an earlier snapshot was given up."""
        self.close()
        self.child = start_dump(self._pg_dump, session, options)

    def close(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.close()
            self.child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.close()


def dump_options(
    left_out: Iterable[Relation], repository_label: str, encoding: str, *, owner: bool, acl: bool
) -> DumpOptions:
    """Everything but tables pg_dump would stumble over, or must not see: unreadable ones, and the repository."""
    codec = python_codec(encoding)
    hidden = [one for one in left_out if not one.readable or one.label == repository_label]
    return DumpOptions(
        owner=owner, acl=acl, left_out=tuple(exact_pattern(one.schema, one.name, codec) for one in hidden)
    )
