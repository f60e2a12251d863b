"""What is about to be changed, as a sum: whoever agreed to something else that was shown can still stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

from holdfast.model.plans import RestorePlan
from holdfast.model.records import Difference, Row

Settle = Callable[[str], None]
"""Is told the sum once the rows that will be changed are held, also in a dry run; raises when they must not be."""


def anything(_summed: str) -> None:
    """Nobody was shown anything before."""


def of_changes(changes: Iterable[Difference]) -> str:
    """The same for the same rows, as they are and as they will be, in whatever order."""
    return of_rows((f"{each.did.value} {each.table}", each.before, each.after) for each in changes)


def of_rows(rows: Iterable[tuple[str, Row | None, Row | None]]) -> str:
    """The same for rows with what becomes of them, and before and after."""
    parts = (f"{what} {_image(before)} {_image(after)}" for what, before, after in rows)
    return _summed(sorted(blake2b(part.encode("utf-8", "surrogatepass"), digest_size=16).digest() for part in parts))


def of_plan(plan: RestorePlan) -> str:
    """The same as long as each item is treated alike, and as many of its rows."""
    return _summed(
        repr((step.item, step.kind, step.action.value, step.rows, step.size, sorted(step.counts.items()))).encode()
        for step in plan.steps
    )


def _summed(parts: Iterable[bytes]) -> str:
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(part + b"\n")
    return digest.hexdigest()


def _image(row: Row | None) -> str:
    if row is None or row.raw:
        return repr(row.raw if row is not None else None)
    plain = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.values.items()}
    return repr(sorted((name, type(value).__name__, repr(value)) for name, value in plain.items()))
