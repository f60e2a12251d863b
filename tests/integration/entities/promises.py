"""What is promised of entities, for any kind of database: subclass and give a ``site``."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import pytest
from tests.faults.world import World
from tests.integration.entities.event_application import BIG, DECLARED, OWNED_ROWS, TABLES

from holdfast.entities.restoring import Wishes
from holdfast.model.errors import HoldfastError, TargetError, UsageError
from holdfast.repository.repository import Repository
from holdfast.sources.base import Source
from holdfast.usecases.backup import BackupRequest, backup
from holdfast.usecases.entity_backup import EntityBackupOrder, entity_backup
from holdfast.usecases.entity_clone import EntityCloneOrder, entity_clone
from holdfast.usecases.entity_finding import Subject, versions
from holdfast.usecases.entity_map import entity_explain, entity_map
from holdfast.usecases.entity_restore import EntityRestoreOrder, EntityRestoreResult, entity_restore
from holdfast.usecases.undo import UndoOrder, undo

State = dict[str, list[tuple[str, ...]]]


class Site(Protocol):
    """The application, as it changes and looks at itself."""

    source: Source

    def run(self, *statements: str) -> None:
        """Statements, committed together."""

    def state(self) -> State:
        """Every row of every table, as text, in order."""

    def delete(self, key: int) -> None:
        """The event and what the database cannot know to belong to it."""


@dataclass(frozen=True)
class Held:
    """A site, and the repository it is saved to."""

    site: Site
    repository: Repository

    def subject(self, key: object = BIG, **declared: object) -> Subject:
        declaration = replace(DECLARED, **declared)  # type: ignore[arg-type]
        return Subject(name="event", key=str(key), declaration=declaration, source=self.site.source)

    def save(self, key: object = BIG) -> None:
        entity_backup(self.repository, EntityBackupOrder(subject=self.subject(key)))

    def save_all(self) -> None:
        made = backup(self.repository, BackupRequest(sources={"app": self.site.source}))
        assert not made.failures

    def restore(self, key: object = BIG, from_: str | None = None, **wishes: object) -> EntityRestoreResult:
        given = Wishes(**wishes)  # type: ignore[arg-type]
        return entity_restore(self.repository, EntityRestoreOrder(subject=self.subject(key), from_=from_, wishes=given))

    def take_back(self, run: str, *, force: bool = False) -> str:
        order = UndoOrder(run=run, source=lambda _info: self.site.source, force=force)
        return undo(self.repository, order).run


def differing(before: State, after: State) -> list[str]:
    """Tables that are not the same."""
    return [name for name in before if before[name] != after[name]]


class EntityPromises:
    """One event with everything that belongs to it."""

    @pytest.fixture
    def site(self) -> Site:
        """To be overridden."""
        raise NotImplementedError

    @pytest.fixture
    def held(self, site: Site, room, cheap) -> Iterator[Held]:  # type: ignore[no-untyped-def]
        with World(room).create().opened("client") as repository:
            yield Held(site, repository)

    def test_a_deleted_event_comes_back_as_it_was(self, held: Held) -> None:
        """With its 7,743 rows and every reference that others had to it, and nothing else is touched."""
        before = held.site.state()
        held.save()
        held.site.delete(BIG)
        assert differing(before, held.site.state())
        result = held.restore()
        assert differing(before, held.site.state()) == []
        assert result.applied is not None and result.undo is not None
        created = sum(counts.get("create", 0) for counts in result.counts().values())
        assert created == OWNED_ROWS, result.counts()
        assert held.restore().applied is None

    def test_an_event_comes_back_from_a_whole_snapshot_while_others_change(self, held: Held) -> None:
        """A writer goes on with the other events; what it wrote stays, the event is identical."""
        before = held.site.state()
        held.save_all()
        held.site.delete(BIG)
        with _writing(held.site):
            held.restore()
        after = held.site.state()
        assert differing(before, after) in ([], ["polls"])
        assert [row for row in after["polls"] if row[1] == str(BIG)] == [r for r in before["polls"] if r[1] == str(BIG)]

    def test_a_restore_is_taken_back_and_that_too(self, held: Held) -> None:
        """undo removes what the restore made; undone, it is there again."""
        before = held.site.state()
        held.save(7)
        held.site.delete(7)
        gone = held.site.state()
        run = held.restore(7).run
        assert differing(before, held.site.state()) == []
        again = held.take_back(run)
        assert differing(gone, held.site.state()) == []
        held.take_back(again)
        assert differing(before, held.site.state()) == []

    def test_an_undo_refuses_what_was_changed_since(self, held: Held) -> None:
        """Rows that somebody wrote to, or that would be deleted along, are named; --force takes them too."""
        held.save(7)
        held.site.delete(7)
        run = held.restore(7).run
        held.site.run("UPDATE polls SET text = 'voted' WHERE event = 7")
        with pytest.raises(TargetError, match="changed since"):
            held.take_back(run)
        held.take_back(run, force=True)
        assert not [row for row in held.site.state()["events"] if row[0] == "7"]
        run = held.restore(7).run
        held.site.run("INSERT INTO polls (id, event, text) VALUES (99999, 7, 'new')")
        with pytest.raises(TargetError, match="came later"):
            held.take_back(run)

    def test_a_clone_stands_alone(self, held: Held) -> None:
        """As many rows, new ids everywhere, references inside rewritten, the original as it was; undo removes it."""
        before = held.site.state()
        order = EntityCloneOrder(subject=held.subject(), values={"title": "Copy"})
        result = entity_clone(held.repository, order)
        after = held.site.state()
        assert sum(result.counts.values()) == OWNED_ROWS
        for name in TABLES:
            assert set(before[name]) <= set(after[name]), name
            assert len(after[name]) - len(before[name]) == result.counts.get(_bare(result.counts, name), 0), name
        old, new = str(BIG), str(result.key[0])
        mine = [row for row in after["registrations"] if row[1] == new]
        theirs = [row for row in after["registrations"] if row[1] == old]
        assert len(mine) == len(theirs)
        assert not {row[0] for row in mine} & {row[0] for row in theirs}
        assert not {row[4] for row in mine} & {row[0] for row in theirs}
        assert not {row[5] for row in mine} & {row[5] for row in theirs}
        assert next(row for row in after["events"] if row[0] == new)[1:3] == ("Copy", f"event-{BIG}-copy")
        held.take_back(result.run)
        assert differing(before, held.site.state()) == []

    def test_a_deleted_event_is_copied_from_a_snapshot(self, held: Held) -> None:
        """The old one stays deleted, the copy has new ids and only what exists now is named."""
        held.save_all()
        held.site.delete(7)
        before = held.site.state()
        latest = held.repository.snapshots()[-1].info.id
        result = entity_clone(held.repository, EntityCloneOrder(subject=held.subject(7), from_=latest))
        after = held.site.state()
        assert all(set(before[name]) <= set(after[name]) for name in TABLES)
        new = str(result.key[0])
        assert len([row for row in after["registrations"] if row[1] == new]) == 38
        assert not [row for row in after["events"] if row[0] == "7"]
        held.take_back(result.run)
        assert differing(before, held.site.state()) == []

    def test_a_dry_clone_leaves_nothing(self, held: Held) -> None:
        """It is made and proven, and taken back."""
        before = held.site.state()
        result = entity_clone(held.repository, EntityCloneOrder(subject=held.subject(7), as_="9000", dry_run=True))
        assert result.proofs and result.undo is None
        assert differing(before, held.site.state()) == []

    def test_a_clone_onto_an_id_that_is_taken_is_refused(self, held: Held) -> None:
        """And so is one whose unique column has no rule."""
        before = held.site.state()
        with pytest.raises(UsageError, match="taken"):
            entity_clone(held.repository, EntityCloneOrder(subject=held.subject(7), as_="8"))
        with pytest.raises(UsageError, match="unique"):
            entity_clone(held.repository, EntityCloneOrder(subject=held.subject(7, unique={})))
        assert differing(before, held.site.state()) == []

    def test_the_map_shows_every_kind_of_edge(self, held: Held) -> None:
        """Owned, parent, shared, reference; declared ones replace what is inferred."""
        found = entity_map(held.repository, held.subject(), suggest=False)
        kinds = {(_name(edge.reference.table), edge.reference.columns[0]): edge.kind for edge in found.graph.edges}
        assert kinds["registrations", "event"] == "owned"
        assert kinds["registrations", "person"] == "reference"
        assert kinds["event_categories", "category"] == "shared"
        assert kinds["events", "organizer"] == "parent"
        assert kinds["comments", "target_id"] == "owned"
        assert kinds["seat_holds", "event"] == "owned"
        assert sum(found.rows["owned"].values()) == OWNED_ROWS

    def test_undeclared_references_are_suggested(self, held: Held) -> None:
        """By values inside JSON that are ids of the root."""
        found = entity_map(held.repository, held.subject("", edges=()))
        assert any(each.from_.endswith("notifications.payload.eventId") for each in found.suggestions)

    def test_every_row_is_explained(self, held: Held) -> None:
        """The path of references from the root on."""
        rows = entity_explain(held.repository, held.subject(7))
        hold = next(each for each in rows if _name(each.table) == "seat_holds")
        assert [step.split(" ")[0].rpartition(".")[2] for step in hold.path] == ["events", "seats", "seat_holds"]
        assert rows[0].path and rows[0].role == "owned"

    def test_versions_are_found_in_every_snapshot(self, held: Held) -> None:
        """Of the entity first, then whole ones; not where it was gone."""
        held.save_all()
        held.save(7)
        held.save(8)
        held.site.delete(7)
        held.save_all()
        found = list(versions(held.repository, held.subject(7)))
        assert [version.is_entity for version in found] == [True, False]
        assert sum((found[0].counts or {}).values()) > 30
        by_slug = list(versions(held.repository, held.subject("event-7")))
        assert len(by_slug) == 2

    def test_bad_ids_are_told_where_it_still_is(self, held: Held) -> None:
        """Unknown, hostile, or only in another snapshot."""
        held.save(7)
        for hostile in ("999999", "1; DROP TABLE events", "' OR 1=1 --", "\\N"):
            with pytest.raises(UsageError):
                held.restore(hostile)
        held.save_all()
        held.site.delete(7)
        held.save_all()
        latest = held.repository.snapshots()[-1].info.id
        with pytest.raises(UsageError, match="it is in"):
            held.restore(7, from_=latest)
        with pytest.raises(UsageError, match="until 2001"):
            held.restore(7, from_="2001-01-01")

    def test_rows_that_differ_are_refused_skipped_overwritten_or_merged(self, held: Held) -> None:
        """Nothing that exists is changed unless it was said how."""
        before = held.site.state()
        held.save(7)
        held.site.run("UPDATE events SET title = 'new' WHERE id = 7", "UPDATE polls SET text = NULL WHERE event = 7")
        with pytest.raises(TargetError, match="differs in title"):
            held.restore(7)
        held.restore(7, existing="skip")
        held.restore(7, existing="merge")
        assert differing(before, held.site.state()) == ["events"]
        held.restore(7, existing="overwrite")
        assert differing(before, held.site.state()) == []

    def test_only_some_tables_come_back(self, held: Held) -> None:
        """What they need must be there."""
        before = held.site.state()
        held.save(7)
        held.site.run("DELETE FROM polls WHERE event = 7", "DELETE FROM maps WHERE event = 7")
        held.restore(7, only=("polls",))
        assert differing(before, held.site.state()) == ["maps"]
        held.site.delete(7)
        with pytest.raises(TargetError, match="needs it and it is gone"):
            held.restore(7, only=("polls",))

    def test_a_missing_parent_is_refused_or_made_again(self, held: Held) -> None:
        """The organizer of a single event went with it."""
        held.site.run("INSERT INTO organizers (id, name, contact) VALUES (77, 'alone', 5)",
                      "UPDATE events SET organizer = 77 WHERE id = 7")  # fmt: skip
        before = held.site.state()
        held.save(7)
        held.site.delete(7)
        held.site.run("DELETE FROM organizers WHERE id = 77")
        with pytest.raises(TargetError, match="organizers 77"):
            held.restore(7)
        held.restore(7, create_parents=True)
        assert differing(before, held.site.state()) == []

    def test_references_to_users_who_are_gone_follow_the_policy(self, held: Held) -> None:
        """NULL where it may be, else the row is named."""
        held.site.run("INSERT INTO users (id, email) VALUES (900, 'a@b')", "UPDATE events SET owner = 900 WHERE id = 7")
        held.save(7)
        held.site.delete(7)
        held.site.run("DELETE FROM users WHERE id = 900")
        with pytest.raises(TargetError, match="users 900"):
            held.restore(7, users="refuse")
        result = held.restore(7)
        assert any("owner becomes NULL" in text for text in result.decision.warnings)
        held.site.run("INSERT INTO users (id, email) VALUES (901, 'b@b')",
                      "UPDATE registrations SET person = 901 WHERE event = 8")  # fmt: skip
        held.save(8)
        held.site.delete(8)
        held.site.run("DELETE FROM users WHERE id = 901")
        with pytest.raises(TargetError, match="users 901"):
            held.restore(8)

    def test_shared_rows_are_found_by_their_natural_key(self, held: Held) -> None:
        """The category came back under another number meanwhile."""
        held.site.run("INSERT INTO categories (id, name) VALUES (50, 'rare')",
                      "INSERT INTO event_categories (event, category) VALUES (7, 50)")  # fmt: skip
        held.save(7)
        held.site.delete(7)
        held.site.run("DELETE FROM categories WHERE id = 50", "INSERT INTO categories (id, name) VALUES (60, 'rare')")
        held.restore(7)
        assert ("7", "60") in held.site.state()["event_categories"]

    def test_a_unique_value_that_somebody_took_is_named(self, held: Held) -> None:
        """And nothing is changed."""
        held.save(7)
        held.site.delete(7)
        held.site.run("UPDATE events SET slug = 'event-7' WHERE id = 8")
        before = held.site.state()
        with pytest.raises(TargetError, match="slug=event-7 belongs to"):
            held.restore(7)
        assert differing(before, held.site.state()) == []

    def test_a_changed_schema_is_dealt_with(self, held: Held) -> None:
        """Columns that were added take their default; columns that are gone are listed, and left out when told to."""
        held.save(7)
        held.site.delete(7)
        held.site.run("ALTER TABLE polls ADD COLUMN state TEXT DEFAULT 'open'", "ALTER TABLE maps DROP COLUMN text")
        with pytest.raises(TargetError, match=r"maps\.text.*--drop-columns"):
            held.restore(7)
        held.restore(7, drop_columns=True)
        assert next(row for row in held.site.state()["polls"] if row[1] == "7")[-1] == "open"

    def test_runaway_graphs_are_stopped(self, held: Held) -> None:
        """By rows, and the edge is named."""
        subject = replace(held.subject(), limit_rows=1000)
        with pytest.raises(UsageError, match=r"registrations\.event"):
            entity_backup(held.repository, EntityBackupOrder(subject=subject))

    def test_a_failure_of_the_repository_changes_nothing(self, held: Held) -> None:
        """Without the snapshot for undo nothing is committed."""
        held.save(7)
        held.site.delete(7)
        before = held.site.state()

        def refuse(*_arguments: object, **_named: object) -> None:
            raise HoldfastError("no room")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(held.repository, "begin", _reads_only(held.repository.begin, refuse))
            with pytest.raises(HoldfastError, match="no room"):
                held.restore(7)
        assert differing(before, held.site.state()) == []


def _reads_only(begin, refuse):  # type: ignore[no-untyped-def]
    """Reading as ever; what would write is refused."""
    return lambda purpose: refuse() if purpose == "backup" else begin(purpose)


@contextlib.contextmanager
def _writing(site: Site) -> Iterator[None]:
    """Somebody changes other events all the time."""
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            site.run(f"UPDATE polls SET text = 'at {number}' WHERE event = {1 + number % 40}")
            stop.wait(0.005)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _name(table: str) -> str:
    return table.rpartition(".")[2]


def _bare(counts: dict[str, int], name: str) -> str:
    return next((each for each in counts if _name(each) == name), name)
