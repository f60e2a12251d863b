"""The journal a configuration names: where it is, what becomes of a broken one, and how it stays small."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from tests.contracts.journal_contract import line, run_of
from tests.unit.wiring.conftest import Place

from holdfast.journal.base import JournalBroken, RunQuery
from holdfast.model.errors import UsageError
from holdfast.model.run import RunStatus
from holdfast.system import clock
from holdfast.wiring import load
from holdfast.wiring.journals import file_of, open_forgiving, open_journal, open_mended, tidy_daily
from holdfast.wiring.load import Configuration

_REPOSITORY = '[repository]\nurl = "./repo"\n'


def configured(place: Place, section: str = "", **environ: str) -> Configuration:
    """A configuration with that section."""
    return load.load(place.write(_REPOSITORY + section), place.around(**environ))


def test_without_a_word_it_is_a_file_of_each_repository_in_the_state_folder(place: Place) -> None:
    """Another repository has another."""
    one = configured(place)
    other = load.load(place.write(_REPOSITORY.replace("repo\"", "other\""), "b.toml"), place.around())
    path = file_of(one)
    assert path is not None and path.is_relative_to(one.around.state) and path != file_of(other)
    open_journal(one).close()
    assert path.exists()


def test_a_file_may_be_named(place: Place) -> None:
    """Relative to the configuration."""
    assert file_of(configured(place, '[journal]\nurl = "sqlite:runs/j.db"\n')) == place.folder / "runs" / "j.db"


@pytest.mark.parametrize("url", ["mysql://x/y", "runs.db", "postgresql://ada:hunter2@127.0.0.1/x"])
def test_what_is_no_place_for_it_is_refused_with_what_to_write(place: Place, url: str) -> None:
    """A password is not repeated."""
    with pytest.raises(UsageError) as caught:
        open_journal(configured(place, f'[journal]\nurl = "{url}"\n'))
    assert caught.value.hint and "hunter2" not in str(caught.value)


def test_serve_sets_a_broken_file_aside_and_tells_so(place: Place) -> None:
    """The file is kept, and the first run of the new journal says where."""
    configuration = configured(place)
    path = file_of(configuration)
    assert path is not None
    journal = open_journal(configuration)
    for number in range(50):
        journal.put(run_of(number))
    journal.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(20_000))
    mended = open_mended(configuration)
    (told,) = mended.runs(RunQuery()).runs
    mended.close()
    assert told.kind == "journal" and told.status is RunStatus.INCOMPLETE
    assert f"{path}.broken" in told.warnings[0] and "rebuild" in told.warnings[1]
    assert path.with_name("journal.db.broken").exists()
    again = open_mended(configuration)
    assert len(again.runs(RunQuery()).runs) == 1
    again.close()


def test_a_run_goes_on_without_a_journal(place: Place) -> None:
    """One that cannot be opened, and one that fails later: a warning each, and nothing fails."""
    configuration = configured(place)
    path = file_of(configuration)
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 1000)
    warnings = list[str]()
    journal = open_forgiving(configuration, warnings.append)
    journal.put(run_of(1))
    journal.write(run_of(1).id, [line(1)])
    journal.close()
    assert journal.get(run_of(1).id) is None and not journal.runs(RunQuery()).runs
    assert len(warnings) == 1 and "damaged" in warnings[0]
    with pytest.raises(JournalBroken):
        open_journal(configuration)


def test_old_lines_go_after_ninety_days_and_that_is_looked_after_once_a_day(place: Place) -> None:
    """Lines are kept as long as the configuration says, runs much longer."""
    configuration = configured(place, '[journal]\nkeep_log = "30d"\n')
    journal = open_journal(configuration)
    now = clock.now()
    old, young = clock.stamp(now - timedelta(days=31)), clock.stamp(now - timedelta(days=29))
    journal.put(run_of(1, created_at=old))
    journal.write(run_of(1).id, [line(1, at=old), line(2, at=young)])
    assert tidy_daily(configuration, journal) == 1
    assert [each.number for each in journal.lines(run_of(1).id)] == [2]
    journal.write(run_of(1).id, [line(1, at=old)])
    assert tidy_daily(configuration, journal) == 0
    journal.close()
    assert configured(place).settings.journal.keep_log == timedelta(days=90)
