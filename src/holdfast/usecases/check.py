"""Verify the repository, and rebuild its index when asked to."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from holdfast.model.errors import StorageError
from holdfast.model.events import Advanced, PhaseEnded, PhaseStarted, Reporter, Warned, silent
from holdfast.planning.readiness import REREAD
from holdfast.repository import rebuild
from holdfast.repository.check import Examination
from holdfast.repository.findings import Finding, Found
from holdfast.repository.index import ChunkIndex
from holdfast.repository.proofs import CheckProof, keep, proofs
from holdfast.repository.repository import Repository
from holdfast.repository.vault import Vault
from holdfast.system import clock
from holdfast.usecases.protection import protected

_TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """``read_data``: share of the packs to read byte by byte, 0 to 1.

    ``repair_index``: first write lost fragments; afterwards take out of the index what cannot be read any more,
    so that the next backup stores it anew where the source still has it.
    """

    read_data: float = 0.0
    repair_index: bool = False
    report: Reporter = silent


@dataclass(slots=True, kw_only=True)
class CheckResult:
    """``ok`` when nothing was found. ``read`` bytes of packs were read; ``repaired`` packs were indexed again."""

    ok: bool
    findings: list[Finding] = field(default_factory=list)
    read: int = 0
    repaired: int = 0


def check(repository: Repository, request: CheckRequest) -> CheckResult:
    """Check structure, and data as far as asked."""
    repaired, read, found = 0, 0, Found()
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
            read = examination.read_data(request.read_data)
            request.report(PhaseEnded(source="repository", phase="read data"))
        examination.name_victims()
    if request.repair_index and (found.bad or found.missing):
        with repository.begin("check") as session:
            rebuild.drop_lost(repository.vault, session.id, found.bad, found.missing)
    repository.remember_head()
    proof = CheckProof(
        at=clock.stamp(), number=number, hash=digest, share=request.read_data, read=read, client=clock.user(),
        problems=len(found.findings), told=[each.what for each in found.findings[:_TOLD]],
    )  # fmt: skip
    _keep(repository, proof, request.report)
    return CheckResult(ok=not found.findings, findings=found.findings, read=read, repaired=repaired)


def due_share(repository: Repository, window: timedelta = REREAD) -> float:
    """What part of the data a regular check should read again, so that L2 never lapses: 1.0 (all of it) or 0.0.

    All is due when the last whole reading without a problem is older than two thirds of ``window``.
    """
    now = clock.now()
    for proof in proofs(repository.vault):
        age = now - datetime.fromisoformat(proof.at)
        if proof.share >= 1 and not proof.problems and timedelta(0) <= age < window * 2 / 3:
            return 0.0
    return 1.0


def _keep(repository: Repository, proof: CheckProof, report: Reporter) -> None:
    """The proof stays with the repository; without one, the check still says what it found."""
    try:
        keep(repository.vault, proof)
    except StorageError as error:
        text = f"The repository cannot be written, so nothing will show that it was checked ({error.what})."
        report(Warned(source="", text=text))


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
