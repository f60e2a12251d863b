"""Read from a repository while nobody deletes what is being read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from holdfast.model.errors import NewerFormat, StorageError
from holdfast.model.events import Reporter, Warned
from holdfast.repository.reader import ChunkReader
from holdfast.repository.records import Purpose
from holdfast.repository.repository import Repository


@contextlib.contextmanager
def protected(
    repository: Repository, purpose: Purpose, report: Reporter, snapshots: list[str]
) -> Iterator[ChunkReader]:
    """A reader within a session that holds ``snapshots``; without one, and saying so, where nothing can be written."""
    for damage in repository.log.damages:
        report(
            Warned(
                source="",
                text=f"The log is damaged: {damage.what} ({damage.where}). What that record said is not known, nothing"
                " can be written, and nothing protects what is being read from a prune.",
            )
        )
    if repository.log.damages:
        yield repository.reader()
        return
    try:
        session = repository.begin(purpose)
    except (StorageError, NewerFormat) as error:
        report(
            Warned(
                source="",
                text="The repository cannot be written, so a prune that runs at the same time could remove what"
                f" is being read ({error.what}).",
            )
        )
        yield repository.reader()
        return
    with session:
        repository.hold(session, snapshots)
        yield session.reader
