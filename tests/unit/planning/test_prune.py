"""What prune proposes, case by case in tests/golden/prune, and what it never proposes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.prune import MIB, Fate, PackFacts, PrunePolicy
from holdfast.planning.prune import plan_prune

GOLDEN = Path(__file__).parents[2] / "golden" / "prune"
CASES = sorted(path.stem for path in GOLDEN.glob("*.txt"))


def _pack(line: str) -> PackFacts:
    name, size, live, *marks = line.split()
    session, number = name.split("/")
    return PackFacts(
        name=bytes.fromhex(session).ljust(16, b"\0") + int(number).to_bytes(4, "big"),
        size=_mib(size),
        live=_mib(live),
        writer=next((mark for mark in marks if mark in {"open", "unknown"}), "closed"),
        condemned="condemned" in marks,
        unfinished="unfinished" in marks,
        waits_for=tuple(mark[6:] for mark in marks if mark.startswith("waits=")),
    )


def _mib(text: str) -> int:
    return round(float(text) * MIB)


def _policy(line: str) -> PrunePolicy:
    settings = dict(word.split("=") for word in line.split()[1:])
    whole = {"min_small": int, "max_repack_bytes": _mib}
    return PrunePolicy(**{name: whole.get(name, float)(text) for name, text in settings.items()})


def _play(text: str) -> str:
    """The case as it should read: what stands above the line, then what the planner says."""
    given_part = text.split("\n----\n", maxsplit=1)[0]
    lines = [line for line in given_part.splitlines()[1:] if line.strip()]
    policy = next((_policy(line) for line in lines if line.startswith("policy")), PrunePolicy())
    running = [word for line in lines if line.startswith("open") for word in line.split()[1:]]
    packs = [_pack(line[5:]) for line in lines if line.startswith("pack ")]
    plan = plan_prune(packs, policy, running)
    kept = [f"{'keep':<11}{s.pack.label:<14}{'':>10}  {s.reason}" for s in plan.steps if s.fate is Fate.KEEP]
    return "\n".join([given_part, "----", *plan.summary(), "", *plan.details(), *kept]).rstrip() + "\n"


@pytest.mark.parametrize("case", CASES)
def test_the_plan_is_the_one_an_operator_expects(case: str) -> None:
    """Each golden file: a repository above the line, the plan below it."""
    text = (GOLDEN / f"{case}.txt").read_text()
    assert _play(text) == text


def test_the_golden_folder_is_not_empty() -> None:
    """Without cases the test above would pass for nothing."""
    assert len(CASES) >= 8


facts = st.builds(
    lambda number, size, share, writer, condemned, waits: PackFacts(
        name=number.to_bytes(20, "big"), size=size, live=int(size * share), writer=writer, condemned=condemned,
        waits_for=("ab" * 16,) if waits and condemned else (),
    ),
    st.integers(0, 10**9), st.integers(1, 20 * MIB), st.sampled_from([0.0, 0.0, 0.01, 0.4, 0.5, 0.51, 0.99, 1.0]),
    st.sampled_from(["open", "closed", "closed", "closed", "unknown"]), st.booleans(), st.booleans(),
)  # fmt: skip
policies = st.builds(
    PrunePolicy,
    max_repack_bytes=st.none() | st.integers(0, 50 * MIB),
    min_small=st.integers(2, 6),
    tolerated=st.sampled_from([0.0, 0.05, 0.5]),
)


@given(st.lists(facts, unique_by=lambda pack: pack.name), policies)
def test_no_plan_gives_up_a_needed_byte(packs: list[PackFacts], policy: PrunePolicy) -> None:
    """Whatever the packs: needed ones are kept, taken back or copied; packs of others are left alone."""
    plan = plan_prune(packs, policy)
    assert [step.pack.name for step in plan.steps] == sorted(pack.name for pack in packs)
    for step in plan.steps:
        assert step.reason
        if step.pack.live:
            assert step.fate in {Fate.KEEP, Fate.TAKE_BACK, Fate.REPACK}
        if step.fate in {Fate.CONDEMN, Fate.REPACK}:
            assert step.pack.writer == "closed"
            assert not step.pack.condemned
        if step.fate is Fate.SWEEP:
            assert step.pack.condemned
            assert not step.pack.waits_for
    if policy.max_repack_bytes is not None:
        assert plan.moved <= policy.max_repack_bytes


@given(st.lists(facts, unique_by=lambda pack: pack.name), policies)
def test_what_is_freed_adds_up(packs: list[PackFacts], policy: PrunePolicy) -> None:
    """Now and later together give back every pack that goes, less what is copied."""
    going = (Fate.SWEEP, Fate.WAIT, Fate.CONDEMN, Fate.REPACK)
    for running in ((), ("cd" * 16,)):
        plan = plan_prune(packs, policy, running)
        total = sum(pack.size for fate in going for pack in plan.packs(fate))
        assert plan.frees_now + plan.frees_later == total - plan.moved


def test_small_packs_are_merged_once_and_then_left_alone() -> None:
    """A repository that was just tidied up gives an idle plan: prune does not copy the same bytes for ever."""
    name = bytes(16)
    small = [PackFacts(name=name + bytes([0, 0, 0, n]), size=MIB, live=MIB) for n in range(5)]
    plan = plan_prune(small, PrunePolicy())
    assert len(plan.packs(Fate.REPACK)) == 5
    merged = [PackFacts(name=b"\1" * 20, size=plan.moved, live=plan.moved)]
    assert plan_prune(merged, PrunePolicy()).idle
