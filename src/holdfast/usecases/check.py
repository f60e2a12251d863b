"""Verify the repository, and rebuild its index when asked to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from holdfast.model.errors import StorageError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Reporter, Warned, silent
from holdfast.planning.readiness import REREAD
from holdfast.repository import readings, rebuild
from holdfast.repository.check import Examination
from holdfast.repository.check_data import living_packs
from holdfast.repository.findings import Finding, Found
from holdfast.repository.index import ChunkIndex
from holdfast.repository.proofs import CheckProof, keep, proofs
from holdfast.repository.readings import PacksRead, last_read
from holdfast.repository.repository import Repository
from holdfast.repository.vault import Vault
from holdfast.system import clock
from holdfast.usecases.protection import protected

_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """``read_data``: share of the packs to read byte by byte, 0 to 1, first those not read for longest.

    ``repair_index``: first write lost fragments; afterwards take out of the index what cannot be read any more,
    so that the next backup stores it anew where the source still has it.
    """

    read_data: float = 0.0
    repair_index: bool = False
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class CheckResult:
    """``ok`` when nothing was found. ``read`` bytes of packs were read; ``repaired`` packs were indexed again.

    ``covered`` (0-1): how many of the packs were read again within 30 days, by this check and those before it.
    """

    ok: bool
    findings: list[Finding] = field(default_factory=list)
    read: int = 0
    repaired: int = 0
    covered: float = 0.0


def check(repository: Repository, request: CheckRequest) -> CheckResult:
    """Check structure, and data as far as asked."""
    repaired, read, found = 0, PacksRead(), Found()
    number, digest = repository.log.state.number, repository.log.state.hash
    if request.repair_index:
        repository.index.discard()  # what only this client's cache knows is lost for everybody else
        with repository.begin("check") as session:
            repaired, problems = rebuild.repair(repository.vault, session.id)
        found.findings = [Finding(what=problem.what, where=problem.where, hint=problem.hint) for problem in problems]
    with protected(repository, "check", request.report, []), _fresh(repository.vault) as vault:
        examination = Examination(vault, found)
        examination.structure()
        if request.read_data:
            request.report(PhaseStarted(source="repository", phase="read data"))
            examination.advance = lambda size: request.report(
                Advanced(source="repository", phase="read data", amount=size)
            )
            read = examination.read_data(request.read_data, last_read(repository.vault, clock.now()))
            request.report(PhaseEnded(source="repository", phase="read data"))
        examination.name_victims()
    if request.repair_index and (found.bad or found.missing):
        with repository.begin("check") as session:
            rebuild.drop_lost(repository.vault, session.id, found.bad, found.missing)
    repository.remember_head()
    proof = CheckProof(
        at=clock.stamp(), number=number, hash=digest, share=request.read_data, read=read.size, client=clock.user(),
        problems=len(found.findings), told=[each.what for each in found.findings[:_TOLD]],
    )  # fmt: skip
    proof = _keep(repository, proof, read, request.report)
    return CheckResult(
        ok=not found.findings, findings=found.findings, read=read.size, repaired=repaired, covered=proof.covered
    )


def due_share(repository: Repository, window: timedelta = REREAD) -> float:
    """What part of the data a regular check should read again, so that L2 never lapses: 1.0 (all of it) or 0.0.

    All is due when the last whole reading without a problem, at once or in parts, is older than two thirds of
    ``window``.
    """
    now = clock.now()
    for each in proofs(repository.vault):
        age = now - datetime.fromisoformat(each.proof.since or each.proof.at)
        if each.proof.whole and not each.proof.problems and timedelta(0) <= age < window * 2 / 3:
            return 0.0
    return 1.0


def _keep(repository: Repository, proof: CheckProof, read: PacksRead, report: Reporter) -> CheckProof:
    """The proof stays with the repository; without one, the check still says what it found."""
    vault, everything = repository.vault, proof.share >= 1
    try:
        if proof.share:
            readings.keep(vault, proof.at, read, problems=proof.problems > 0, everything=everything)
            proof = msgspec.structs.replace(proof, covered=1.0) if everything else _added_up(vault, proof)
        keep(vault, proof)
    except StorageError as error:
        text = f"The repository cannot be written, so nothing will show that it was checked ({error.what})."
        report(Warned(source="", text=text))
    return proof


def _added_up(vault: Vault, proof: CheckProof) -> CheckProof:
    """The proof of a reading of a part, with what it comes to together with those before it."""
    at = datetime.fromisoformat(proof.at)
    known = last_read(vault, at)
    times = [known.get(name) for name in living_packs(vault)]
    read = [each for each in times if each is not None]
    lately = sum(at - each <= REREAD for each in read)
    since = clock.stamp(min(read)) if read and len(read) == len(times) else ""
    return msgspec.structs.replace(proof, since=since, covered=lately / len(times) if times else 1.0)


@contextlib.contextmanager
def _fresh(vault: Vault) -> Iterator[Vault]:
    """The same repository with its index read from storage: what a client has in its cache proves nothing."""
    with tempfile.TemporaryDirectory(prefix="holdfast-check-") as folder:
        index = ChunkIndex(vault.storage, vault.sealer, Path(folder) / "index")
        try:
            index.load()
            yield replace(vault, index=index)
        finally:
            index.close()
