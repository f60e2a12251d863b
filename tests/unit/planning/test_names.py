"""Names of snapshots mean what a person would think, and anything else is refused with the choice."""

from __future__ import annotations

import pytest

from holdfast.model.errors import UsageError
from holdfast.model.snapshot import SnapshotInfo
from holdfast.planning import names


def _info(identifier: str, at: int, source: str = "shop", **more: object) -> SnapshotInfo:
    facts: dict[str, object] = {
        "id": identifier.ljust(32, "0"), "run": "r" * 32, "source": source, "kind": "files", "trigger": "manual",
        "status": "complete", "created_at": f"2026-11-20T04:{at:02}:00.000Z", "rows": None, "item_count": 1,
        "bytes_source": 0, "bytes_read": 0, "bytes_new": 0, "bytes_stored": 0, "seconds": 0.0, "not_protected": [],
        "warnings": [], **more,
    }  # fmt: skip
    return SnapshotInfo(**facts)  # type: ignore[arg-type]


OLD = _info("aaaa11", 1)
NEW = _info("aaaa22", 2)
MEDIA = _info("bbbb33", 3, "media")
ALL = [OLD, NEW, MEDIA]


def test_a_unique_prefix_of_four_digits_is_enough() -> None:
    """The start of an id means the snapshot, in either case."""
    assert names.one("bbbb", ALL) is MEDIA
    assert names.one("AAAA22", ALL) is NEW


def test_a_prefix_that_fits_two_is_refused_with_both() -> None:
    """Nobody has to guess which one was taken."""
    with pytest.raises(UsageError) as caught:
        names.one("aaaa", ALL)
    assert "aaaa1100" in caught.value.why
    assert "aaaa2200" in caught.value.why


def test_three_digits_are_no_name() -> None:
    """Too short to be meant."""
    with pytest.raises(UsageError):
        names.one("bbb", ALL)


def test_latest_is_the_newest_complete_snapshot_of_everything() -> None:
    """Incomplete and partial snapshots never push themselves forward."""
    later = [*ALL, _info("cccc44", 4, status="incomplete"), _info("dddd55", 5, partial=True)]
    assert names.one("latest", later) is MEDIA
    assert names.one("latest:shop", later) is NEW


def test_what_writes_needs_to_know_which_latest() -> None:
    """With several sources a restore of "latest" is refused, telling the names to use."""
    with pytest.raises(UsageError) as caught:
        names.one("latest", ALL, across_sources=False)
    assert "latest:media or latest:shop" in caught.value.hint
    assert names.one("latest", [OLD, NEW], across_sources=False) is NEW


def test_a_label_means_the_newest_of_its_source() -> None:
    """The name given at backup finds the snapshot; used again it means the newer one."""
    labelled = [_info("eeee66", 6, name="go"), _info("ffff77", 7, name="go"), _info("0000aa", 8, "media", name="go")]
    assert names.one("go:shop", labelled) is labelled[1]
    assert names.one("go:media", labelled) is labelled[2]
    with pytest.raises(UsageError):
        names.one("go", labelled)


def test_forgetting_by_a_label_takes_one_of_each_source_and_no_more() -> None:
    """A label on two snapshots of one source is refused; on one of each source it means them all."""
    once = [_info("eeee66", 6, name="go"), _info("0000aa", 8, "media", name="go")]
    assert names.every(["go"], once) == [once[1], once[0]]
    with pytest.raises(UsageError):
        names.every(["go"], [*once, _info("ffff77", 7, name="go")])


def test_each_snapshot_is_meant_once_however_often_it_is_named() -> None:
    """forget ID ID forgets one."""
    assert names.every(["aaaa11", "aaaa1100", "latest:media"], ALL) == [OLD, MEDIA]


@pytest.mark.parametrize("label", ["", "latest", "a:b", "-x", "a\nb", "\x1b[31m"])
def test_labels_that_mean_something_else_are_refused(label: str) -> None:
    """A label can be typed, and is not mistaken for a name with a meaning."""
    with pytest.raises(UsageError):
        names.check_label(label)


def test_an_unknown_source_is_told_with_the_known_ones() -> None:
    """latest:shpo tells shop."""
    with pytest.raises(UsageError) as caught:
        names.one("latest:shpo", ALL)
    assert "media, shop" in caught.value.why


def test_an_empty_repository_says_so() -> None:
    """The first thing to do is a backup."""
    with pytest.raises(UsageError) as caught:
        names.one("latest", [])
    assert "holdfast backup" in caught.value.hint


def test_the_log_decides_what_is_latest_not_the_clock() -> None:
    """A writer whose clock is a year ahead does not stay "latest" for a year: the order of commits counts."""
    ahead = _info("eeee66", 59)
    after = _info("ffff77", 7)
    assert names.one("latest", [ahead, after]) is after
    assert names.newest_good([ahead, after], "shop") is after
    assert names.newest_first([OLD, ahead, after]) == [after, ahead, OLD]


def test_imported_data_stands_at_its_own_time() -> None:
    """What was made keeps its order even where clocks went back; what was imported goes between."""
    def imported(identifier: str, at: str) -> SnapshotInfo:
        return _info(identifier, 50, more={"import": {"created_at": at}})

    before, between = imported("cccc44", "2023-11-14T22:13:20.000Z"), imported("dddd55", "2026-11-20T04:01:30.000Z")
    later, untold = imported("eeee66", "2027-01-01T00:00:00.000Z"), imported("ffff77", "")
    back = _info("aaaa33", 0)
    made = [OLD, NEW, back, untold]
    assert names.by_data_time([*made, later, before, between]) == [before, OLD, between, *made[1:], later]


def test_no_label_takes_the_place_of_the_latest() -> None:
    """Whatever a snapshot is called, by an import or an older holdfast: latest:SOURCE is the newest of that source."""
    named = _info("cccc44", 4, "media", name="latest:shop")
    assert names.one("latest:shop", [*ALL, named]) is NEW
