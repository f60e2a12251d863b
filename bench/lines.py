"""The lines of the table: what is compared with what, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Our step against a reference step of the same section: the ratio of their wall times must be ≤ ``most``.

    ``most`` None: shown beside the others, nothing asked. ``faster``: the request is written as "times faster".
    """

    work: str
    section: str
    ours: str
    reference: str
    most: float | None
    faster: float | None = None

    @property
    def asked(self) -> str:
        """As the request says it."""
        if self.faster is not None:
            return f"≥ {self.faster} × faster"
        return f"≤ {self.most} ×" if self.most is not None else "–"


def _faster(times: float) -> float:
    return 1 / times


LINES = (
    Line(
        work="PostgreSQL first backup", section="app", ours="holdfast: first", reference="pg_dump > /dev/null", most=1.2
    ),
    Line(
        work="PostgreSQL first backup",
        section="app",
        ours="holdfast: first",
        reference="pg_dump -Fc",
        most=_faster(2.8),
        faster=2.8,
    ),
    Line(
        work="PostgreSQL first backup",
        section="app",
        ours="holdfast: first",
        reference="pg_dump | restic: first",
        most=_faster(1.9),
        faster=1.9,
    ),
    Line(work="PostgreSQL first backup", section="app", ours="holdfast: first", reference="pg_dump -Fd -j2", most=None),
    Line(
        work="again, nothing changed", section="app", ours="holdfast: again", reference="pg_dump > /dev/null", most=0.35
    ),
    Line(
        work="again, nothing changed, narrow rows",
        section="narrow",
        ours="holdfast: again",
        reference="pg_dump > /dev/null",
        most=0.5,
    ),
    Line(
        work="narrow rows, first", section="narrow", ours="holdfast: first", reference="pg_dump > /dev/null", most=None
    ),
    Line(
        work="5,000 small tables, first",
        section="many",
        ours="holdfast: first",
        reference="pg_dump > /dev/null",
        most=1.0,
    ),
    Line(
        work="5,000 small tables, again",
        section="many",
        ours="holdfast: again",
        reference="pg_dump > /dev/null",
        most=0.5,
    ),
    Line(
        work="again, 0.1 % of rows updated (time)",
        section="app",
        ours="holdfast: 0.1 % changed",
        reference="pg_dump | restic: 0.1 % changed",
        most=None,
    ),
    Line(work="PostgreSQL restore", section="app", ours="holdfast: restore", reference="pg_restore -j2", most=1.0),
    Line(
        work="PostgreSQL restore, one big table",
        section="big",
        ours="holdfast: restore",
        reference="pg_restore -j2",
        most=0.65,
    ),
    Line(work="files first", section="files", ours="holdfast: first", reference="restic: first", most=0.8),
    Line(work="files unchanged", section="files", ours="holdfast: again", reference="restic: again", most=0.35),
    Line(work="files restore", section="files", ours="holdfast: restore", reference="restic: restore", most=0.6),
    Line(work="files first", section="files", ours="holdfast: first", reference="borg: first", most=None),
    Line(work="files unchanged", section="files", ours="holdfast: again", reference="borg: again", most=None),
    Line(work="files restore", section="files", ours="holdfast: restore", reference="borg: restore", most=None),
)

# step of the section "records" -> seconds asked
LOOKS = {
    "find by ascending key, cold": 1.0,
    "find by ascending key, warm": 1.0,
    "find by scattered key, warm": 1.0,
    "find by scattered key, cold": None,
    "diff of 1,000 scattered changes, cold": 5.0,
    "diff of 1,000 scattered changes, warm": 5.0,
    "diff with the living table": 5.0,
}
MOST_GROWTH = 0.02
MOST_MEMORY = 300 * 10**6
MOST_INDEX_MEMORY = 2**30
LEAST_LOOKUPS = 300_000
