"""``holdfast check``."""

from __future__ import annotations

import re

import click

from holdfast.cli import words
from holdfast.cli.face import Face
from holdfast.cli.opening import opened
from holdfast.cli.options import verb
from holdfast.cli.progress import shown
from holdfast.model.errors import Exit, UsageError
from holdfast.usecases.check import CheckRequest
from holdfast.usecases.check import check as verify

_EXAMPLES = """
holdfast check
holdfast check --read-data=5%
holdfast check --read-data --json
"""

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%?\Z")


@verb("check", examples=_EXAMPLES)
@click.option(
    "--read-data",
    "share",
    is_flag=False,
    flag_value="100%",
    metavar="[=5%]",
    help="Also read the data, all or a share.",
)
@click.option("--repair-index", is_flag=True, help="First rebuild what is missing of the index from the packs.")
def check(face: Face, share: str | None, repair_index: bool) -> int:
    """Verify that the repository holds what it should.

    Without options every reference is followed. Exit status 4 when anything is wrong.
    """
    part = _share(share)
    with opened(face) as app, shown(face) as report:
        result = verify(app.repository, CheckRequest(read_data=part, repair_index=repair_index, report=report))
    face.document(
        {
            "ok": result.ok,
            "findings": [
                {"what": each.what, "where": each.where, "affects": list(each.affects), "hint": each.hint}
                for each in result.findings
            ],
            "bytes_read": result.read,
            "covered": result.covered,
            "repaired": result.repaired,
        }
    )
    if result.repaired:
        face.line(f"{result.repaired} pack(s) were indexed again")
    for each in result.findings:
        face.line(f"{each.what}", "red")
        for title, text in (("where", each.where), ("affects", ", ".join(each.affects)), ("hint", each.hint)):
            if text:
                face.line(f"  {title}: {text}")
    read = f", {words.size(result.read)} of packs were read" if part else ""
    if 0 < part < 1:
        read += f"; with the checks of the last 30 days, {result.covered:.0%} of all"
    face.line(f"{len(result.findings)} problem(s){read}" if result.findings else f"no problem{read}", "bold")
    return int(Exit.OK if result.ok else Exit.PROBLEMS_FOUND)


def _share(text: str | None) -> float:
    """``5%`` as 0.05."""
    if text is None:
        return 0.0
    found = _SHARE.match(text)
    share = float(found[1]) / 100 if found else 0.0
    if not 0 < share <= 1:
        raise UsageError(f"{text!r} is not a share of the data", hint="write --read-data or --read-data=5%")
    return share
