"""The report over a real repository: what happened to it shows, whoever looks, and nothing stays green by itself."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import msgspec
import pytest
import time_machine
from tests.integration.health.world import Opening, Shop, opening  # noqa: F401

from holdfast.journal.base import SCHEDULER_ALIVE, JournalBroken
from holdfast.model.audit import Act
from holdfast.model.errors import UsageError
from holdfast.model.report import Level
from holdfast.model.run import Run, RunError, RunStatus
from holdfast.planning import names
from holdfast.repository.proofs import keep, proofs
from holdfast.system import clock
from holdfast.usecases import anomaly
from holdfast.usecases.check import CheckRequest, check, due_share
from holdfast.usecases.due import dueness
from holdfast.usecases.report import has_problems
from holdfast.web.security.register import open_register
from holdfast.web.security.tokens import Tokens, TokenWish
from holdfast.wiring import reporting

TIERED = """tier = "important"
[defaults]
schedules = [{ every = "3h" }]
[cost]
per_gb_month = 0.02
currency = "EUR"
"""


def _flip(shop: Shop) -> None:
    """One bit of the largest pack."""
    path = max(shop.packs, key=lambda each: each.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_levels_are_climbed_by_evidence_and_lost_by_waiting(opening: Opening) -> None:  # noqa: F811
    """Nothing, fresh, intact; a day without a backup takes it all."""
    shop = opening("")
    assert (shop.report().level, "everything would be lost" in shop.report().headline) == (Level.UNPROTECTED, True)
    shop.back_up()
    assert shop.report().level is Level.FRESH
    assert check(shop.app.repository, CheckRequest(read_data=1.0)).ok
    report = shop.report()
    assert (report.level, has_problems(report)) == (Level.INTACT, False)
    assert report.sources[0].proven_at == report.repository.checked_at is not None
    with time_machine.travel(clock.now() + timedelta(hours=27), tick=False):
        later = shop.report()
        assert (later.level, has_problems(later)) == (Level.UNPROTECTED, True)


def test_a_look_at_a_part_or_at_the_structure_alone_proves_no_bytes(opening: Opening) -> None:  # noqa: F811
    """Both leave a proof of what they were."""
    shop = opening("")
    shop.back_up()
    check(shop.app.repository, CheckRequest())
    check(shop.app.repository, CheckRequest(read_data=0.5))
    assert shop.report().level is Level.FRESH
    assert due_share(shop.app.repository) == 1.0
    check(shop.app.repository, CheckRequest(read_data=1.0))
    assert due_share(shop.app.repository) == 0.0
    with time_machine.travel(clock.now() + timedelta(days=21), tick=False):
        assert due_share(shop.app.repository) == 1.0


def test_readings_of_a_part_add_up_to_a_whole_one(opening: Opening) -> None:  # noqa: F811
    """Each takes what was not read for longest; what came in between has to be read too; the oldest one counts."""
    shop = opening("")
    for number in range(4):
        shop.change("update goods set name = ? where id < 2000", f"renamed {number}")
        shop.back_up()
    started = clock.now()
    covered = []
    with time_machine.travel(started, tick=False) as travel:
        while shop.report().level is Level.FRESH:
            covered.append(check(shop.app.repository, CheckRequest(read_data=0.3)).covered)
            travel.shift(timedelta(minutes=10))
            assert len(covered) < 6
        assert covered == sorted(covered) and covered[0] < 0.6 and covered[-1] == 1.0 and len(covered) > 2
        proven = shop.source().proven_at
        assert proven is not None and datetime.fromisoformat(proven) - started < timedelta(minutes=1)
        assert due_share(shop.app.repository) == 0.0
        shop.change("delete from goods where id < 3000")
        shop.back_up()
        assert "newer snapshots are not part of it" in shop.source().evidence[1].what
    with time_machine.travel(started + timedelta(days=31), tick=False):
        assert not shop.source().evidence[1].proven


def test_a_part_that_was_bad_is_part_of_no_whole_until_it_was_read_well(opening: Opening) -> None:  # noqa: F811
    """However often the others are read."""
    shop = opening("")
    for number in range(3):
        shop.change("update goods set name = ? where id < 2000", f"renamed {number}")
        shop.back_up()
    check(shop.app.repository, CheckRequest(read_data=1.0))
    _flip(shop)
    found = [check(shop.app.repository, CheckRequest(read_data=0.3)) for _ in range(4)]
    assert not all(each.ok for each in found) and max(each.covered for each in found[-2:]) < 1
    assert (shop.report().level, "check-problems" in shop.codes()) == (Level.FRESH, True)
    _flip(shop)
    assert check(shop.app.repository, CheckRequest(read_data=0.3)).covered == 1, "what is bad is read first"
    assert (shop.report().level, "check-problems" in shop.codes()) == (Level.INTACT, False)


def test_what_a_check_found_is_not_forgotten_for_the_checks_after_it(opening: Opening) -> None:  # noqa: F811
    """Sixty looks at the structure later: found damage is told, and before that, found soundness too."""
    shop = opening("")
    shop.back_up()
    check(shop.app.repository, CheckRequest(read_data=1.0))
    vault, proof = shop.app.repository.vault, next(proofs(shop.app.repository.vault)).proof

    def sixty(share: float) -> None:
        for number in range(60):
            at = clock.stamp(clock.now() + timedelta(seconds=number))
            keep(vault, msgspec.structs.replace(proof, at=at, share=share, since=""))

    sixty(0.0)
    assert (shop.report().level, due_share(shop.app.repository)) == (Level.INTACT, 0.0)
    _flip(shop)
    check(shop.app.repository, CheckRequest(read_data=1.0))
    sixty(0.1)
    assert "check-problems" in shop.codes() and has_problems(shop.report())
    assert len(list((shop.folder / "repository" / "proofs").iterdir())) < 60


def test_a_corrupt_pack_turns_the_light_off_until_all_is_read_well_again(opening: Opening) -> None:  # noqa: F811
    """A look at the structure does not turn it on, nor does another client's clean past."""
    shop = opening("")
    shop.back_up()
    check(shop.app.repository, CheckRequest(read_data=1.0))
    _flip(shop)
    assert not check(shop.app.repository, CheckRequest(read_data=1.0)).ok
    assert (shop.report().level, "check-problems" in shop.codes()) == (Level.FRESH, True)
    check(shop.app.repository, CheckRequest())
    assert shop.report().level is Level.FRESH
    _flip(shop)
    assert check(shop.app.repository, CheckRequest(read_data=1.0)).ok
    assert (shop.report().level, "check-problems" in shop.codes()) == (Level.INTACT, False)


def test_a_proof_cannot_be_forged_moved_or_outlive_its_log(opening: Opening) -> None:  # noqa: F811
    """An altered one, and one under another name, prove nothing."""
    shop = opening("")
    shop.back_up()
    check(shop.app.repository, CheckRequest(read_data=1.0))
    (proof,) = (path for path in (shop.folder / "repository" / "proofs").iterdir() if "packs" not in path.name)
    kept = proof.read_bytes()
    proof.rename(proof.with_name("1763000000000-w0-" + "0" * 16))
    assert shop.report().level is Level.FRESH
    proof.write_bytes(kept)
    assert shop.report().level is Level.INTACT
    proof.chmod(0o600)
    proof.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert shop.report().level is Level.FRESH


def test_a_tier_a_price_and_a_schedule_are_told_from_evidence(opening: Opening) -> None:  # noqa: F811
    """RPO and RTO of the tier, what it costs, when the next one is due, what the store holds."""
    shop = opening(TIERED)
    shop.journal.remember(SCHEDULER_ALIVE, clock.stamp())
    shop.back_up()
    reporting.measure_store(shop.app)
    report = shop.report()
    (found,) = report.sources
    assert (found.tier, found.rpo, found.rto) == ("important", 4 * 3600, 4 * 3600)
    assert found.next_due_at is not None and found.limit == 4 * 3600 and not found.findings
    stored = sum(path.stat().st_size for path in (shop.folder / "repository").rglob("*") if path.is_file())
    assert report.repository.bytes_stored == pytest.approx(stored, rel=0.02)
    assert report.repository.cost == pytest.approx(report.repository.bytes_stored / 1e9 * 0.02)
    assert (report.repository.currency, report.repository.measured_at is not None) == ("EUR", True)
    assert not has_problems(report)


def test_a_scheduler_that_stopped_is_told_before_anything_is_late(opening: Opening) -> None:  # noqa: F811
    """The snapshot is fresh still."""
    shop = opening(TIERED)
    shop.back_up()
    assert "scheduler-silent" in shop.codes()
    shop.journal.remember(SCHEDULER_ALIVE, clock.stamp())
    assert "scheduler-silent" not in shop.codes()
    with time_machine.travel(clock.now() + timedelta(minutes=6), tick=False):
        assert (shop.report().level, "scheduler-silent" in shop.codes()) == (Level.FRESH, True)


def test_a_failed_run_of_the_journal_is_told_until_a_good_one_follows(opening: Opening) -> None:  # noqa: F811
    """Also in the strip of days."""
    shop = opening("")
    run = Run(
        id="f" * 32, kind="backup", status=RunStatus.FAILED, created_at=clock.stamp(), ended_at=clock.stamp(),
        sources=["shop"], error=RunError(code="source", what="no such file", hint="look"),
    )  # fmt: skip
    shop.journal.put(run)
    found = shop.source()
    assert found.last_failure and found.last_failure.what == "no such file"
    assert (found.days[-1].state, {"failed", "none"} <= shop.codes()) == ("failed", True)
    shop.back_up()
    assert (shop.source().last_failure, shop.source().days[-1].state) == (None, "good")


def test_a_source_that_fails_every_minute_hides_no_failure_of_another(opening: Opening) -> None:  # noqa: F811
    """However many runs of it the journal holds."""
    shop = opening('[sources.other]\nurl = "sqlite:{folder}/shop.db"\n')
    for number in range(600):
        at = clock.stamp(clock.now() - timedelta(minutes=number))
        name = "shop" if number < 599 else "other"
        failed = Run(id=f"{number:032x}", kind="backup", status=RunStatus.FAILED, created_at=at, sources=[name])
        shop.journal.put(failed)
    assert all(shop.source(name).last_failure for name in ("shop", "other"))


def test_a_source_that_left_the_configuration_is_told(opening: Opening) -> None:  # noqa: F811
    """It does not make the system better."""
    shop = opening('[sources.old]\nurl = "sqlite:{folder}/shop.db"\n')
    shop.back_up("old", trigger="schedule")
    shop.back_up()
    smaller = opening("")
    old = smaller.source("old")
    assert (old.configured, [each.code for each in old.findings]) == (False, ["not-configured"])
    assert has_problems(smaller.report())


def test_another_database_under_the_same_name_takes_the_level_away(opening: Opening) -> None:  # noqa: F811
    """Counts may be as before."""
    shop = opening("")
    shop.back_up()
    (shop.folder / "shop.db").rename(shop.folder / "other.db")
    (shop.folder / "shop.db").symlink_to(shop.folder / "other.db")
    newest = shop.back_up()
    assert (shop.report().level, "other-source" in shop.codes()) == (Level.UNPROTECTED, True)
    anomaly.accept(shop.app.repository, newest, "ada")
    assert (shop.report().level, "other-source" in shop.codes()) == (Level.FRESH, False)


def test_encrypted_data_is_noticed_and_the_last_clean_snapshot_is_pinned(opening: Opening) -> None:  # noqa: F811
    """Pruning waits; no backup is stopped; what a person unpins or accepts is left to them."""
    shop = opening("")
    for number in range(6):
        shop.change("update goods set name = ? where id = ?", f"renamed {number}", number + 1)
        clean = shop.back_up()
        assert not reporting.protect_clean(shop.app, shop.journal)
    assert anomaly.prune_hold(shop.report()) is None
    shop.encrypt()
    worst = shop.back_up()
    assert reporting.protect_clean(shop.app, shop.journal) == [clean.id]
    assert "suspicious" in shop.codes() and shop.report().level is Level.UNPROTECTED
    assert "shop" in (anomaly.prune_hold(shop.report()) or "")
    shop.change("update goods set name = 'later' where id = 1")
    shop.back_up()
    shop.app.repository.unpin([clean.id])
    assert not reporting.protect_clean(shop.app, shop.journal), "a person unpinned it"
    assert anomaly.prune_hold(shop.report()), "a snapshot later it stands"
    anomaly.accept(shop.app.repository, worst, "ada")
    assert anomaly.prune_hold(shop.report()) is None and shop.report().level is Level.FRESH


def test_the_snapshots_of_a_preview_make_production_no_safer(opening: Opening) -> None:  # noqa: F811
    """The same name in the same repository: health, latest and what is due look at their own; the others are told."""
    production, preview = opening(""), opening('environment = "preview"\n')
    mine = production.back_up()
    with time_machine.travel(clock.now() + timedelta(days=11), tick=False):
        theirs = preview.back_up()
        production.app.refresh()
        found = production.source()
        assert (found.newest, found.snapshots, int(found.level)) == (mine.id, 1, 0)
        assert {"age", "elsewhere"} <= production.codes()
        assert "age" not in preview.codes() and preview.source().newest == theirs.id
        entries = production.app.repository.snapshots()
        infos = [entry.info for entry in entries]
        assert names.one("latest", infos).id == names.one("latest:shop", infos).id == mine.id
        assert names.one("latest:shop@preview", infos).id == theirs.id
        assert names.one(theirs.id[:8], infos).id == theirs.id
        due = dueness(entries, {"shop": timedelta(days=2)}, clock.now())
        assert [each.due for each in due] == [True]


def test_tokens_are_among_the_secrets_one_is_reminded_of(opening: Opening) -> None:  # noqa: F811
    """Before they end, and when they are old; what was revoked is not."""
    shop = opening("")
    with contextlib.closing(open_register(shop.app.configuration)) as register:
        tokens = Tokens(register)
        for name, days in (("ci", 90), ("ever", None), ("gone", 90)):
            lifetime = timedelta(days=days) if days else None
            tokens.add(TokenWish(name=name, scopes=("status:read",), lifetime=lifetime, owner="ada"))
        tokens.revoke("gone")
    names_ = [each.name for each in reporting.secret_ages_of(shop.app, shop.journal) if "token" in each.name]
    assert names_ == ["the token 'ci'", "the token 'ever'"]
    assert not {"secret-ends", "secret-old"} & shop.codes()
    with time_machine.travel(clock.now() + timedelta(days=80), tick=False):
        (found,) = [each for each in shop.report().findings if each.code == "secret-ends"]
        assert "'ci' ends in 10 d" in found.what and found.hint == "holdfast token rotate ci"
    with time_machine.travel(clock.now() + timedelta(days=100), tick=False):
        assert "secret-old" in shop.codes() and "secret-ends" not in shop.codes()


def test_an_audit_trail_that_was_cut_is_told_at_once(opening: Opening) -> None:  # noqa: F811
    """Not only when somebody verifies it."""
    shop = opening("")
    shop.back_up()
    act = Act(at=clock.stamp(), deed="data:read", who="ada", via="cli", what="a look")
    assert [shop.app.repository.trail.append([act]) for _ in range(2)] == [1, 2]
    assert "audit-cut" not in shop.codes()
    last = next((shop.folder / "repository" / "audit").rglob("*2"))
    last.unlink()
    assert "audit-cut" in shop.codes()


def test_what_is_accepted_must_be_whole(opening: Opening) -> None:  # noqa: F811
    """A part of a source is nothing to compare with."""
    shop = opening("")
    part = shop.back_up(partial=True)
    with pytest.raises(UsageError, match="complete"):
        anomaly.accept(shop.app.repository, part, "ada")


def test_a_journal_that_is_lost_makes_nothing_greener(opening: Opening) -> None:  # noqa: F811
    """Without one the report is made all the same."""
    shop = opening(TIERED)
    shop.back_up()
    report = reporting.system_report(shop.app, None)
    assert report.level is Level.FRESH
    assert "scheduler-silent" in {each.code for each in report.findings}
    broken = reporting.system_report(opening("").app, None, JournalBroken("the journal is damaged", why="no database"))
    (found,) = [each for each in broken.findings if each.code == "journal"]
    assert has_problems(broken) and "damaged" in found.what
