"""Write RESULTS.md from the ledger: asked beside measured, reached or not, and the spread of every step."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.ledger import Ledger, Section
from bench.lines import LEAST_LOOKUPS, LINES, LOOKS, MOST_GROWTH, MOST_INDEX_MEMORY, MOST_MEMORY, Line
from bench.measure import Sample, median

_KEPT = ("<!-- written by hand, kept by bench/run.py: begin -->", "<!-- end -->")
_EMPTY = "## Profile\n\nNothing written yet.\n"

_METHOD = """\
## Method

- Every number is a whole command as a user types it, start-up included, run as a child process: `holdfast` as
  installed, the other tools with their defaults; every repository is encrypted, all on the same disk, caches warm,
  a `CHECKPOINT` and a `sync` before each measurement. PostgreSQL runs with `fsync` on, `shared_buffers` 128 MB,
  autovacuum off, on the same cores. Repositories are new for each first backup; making them is not measured.
- The tools take turns inside each repetition, so that noise hits all alike. Shown is the median; the ratio is that of
  the medians, in brackets the lowest and highest ratio of one repetition. Nothing is left out or corrected.
- *cpu* is user and system time of the command with all its children; for databases the server's is added. It is the
  less noisy number on a busy machine.
- *Peak memory*: the largest single process (wait4) / the largest sum over the process tree at one moment (sampled
  forty times a second; pages that processes share count for each).
- A restore counts only when holdfast calls it verified; in the first repetition the harness also compares what came
  back with what was backed up (rows, indexes and constraints; files by `diff -r`), outside the measured time.
- A failed command has no numbers, and neither have those that need it.
"""


def write(path: Path, ledger: Ledger, machine: Sequence[tuple[str, str]], title: str) -> str:
    """Write the report and return its table."""
    table = "\n".join(_table(ledger))
    parts = [
        f"# {title}",
        "Written by `make bench` (`bench/run.py`); only the part between the marks is written by hand.",
        "## Asked and measured",
        table,
        "\n".join(_missed(ledger)),
        _kept(path),
        "## Machine\n\n| | |\n|---|---|\n" + "\n".join(f"| {what} | {value} |" for what, value in machine),
        _METHOD.rstrip(),
        "## Every step",
        "\n\n".join(_details(section) for section in ledger.sections.values()),
    ]
    path.write_text("\n\n".join(parts) + "\n")
    return table


def _table(ledger: Ledger) -> Iterator[str]:
    yield "| work | holdfast | reference | ratio | cpu ratio | asked | reached |"
    yield "|---|---|---|---|---|---|---|"
    for line in LINES:
        section = ledger.sections.get(line.section)
        if section is not None:
            yield _row(line, section)
    yield from _growth_row(ledger)
    yield from _memory_rows(ledger)
    yield from _index_rows(ledger)
    yield from _look_rows(ledger)


def _row(line: Line, section: Section) -> str:
    ours, theirs = section.wall(line.ours), section.wall(line.reference)
    if ours is None or theirs is None:
        shown = [_seconds(ours), f"{_seconds(theirs)} {_code(line.reference)}", "–", "–"]
        return _cells(line.work, *shown, line.asked, "not measured" if line.most is not None else "–")
    ratio = ours / theirs
    cpu = _ratio(section, line, lambda sample: sample.all_cpu)
    return _cells(
        line.work,
        _seconds(ours),
        f"{_seconds(theirs)} {_code(line.reference)}",
        _times(ratio, line) + _spread(section, line),
        f"{cpu:.2f}" if cpu is not None else "–",
        line.asked,
        _verdict(line.most is None or ratio <= line.most) if line.most is not None else "–",
    )


def _ratio(section: Section, line: Line, part: Callable[[Sample], float]) -> float | None:
    ours, theirs = section.middle(line.ours, part), section.middle(line.reference, part)
    return ours / theirs if ours is not None and theirs else None


def _times(ratio: float, line: Line) -> str:
    return f"{1 / ratio:.2f} × faster" if line.faster is not None else f"{ratio:.2f}"


def _spread(section: Section, line: Line) -> str:
    pairs = zip(section.samples[line.ours], section.samples[line.reference], strict=False)
    ratios = sorted(ours.wall / theirs.wall for ours, theirs in pairs)
    if len(ratios) < 2:
        return ""
    low, high = (1 / ratios[-1], 1 / ratios[0]) if line.faster is not None else (ratios[0], ratios[-1])
    return f" ({low:.2f}–{high:.2f})"


def _growth_row(ledger: Ledger) -> Iterator[str]:
    section = ledger.sections.get("app")
    if section is None:
        return
    ours, theirs = _growth(section, "holdfast"), _growth(section, "restic")
    beside = "– restic"
    if theirs is not None:
        beside = f"{_bytes(theirs[0])} of {_bytes(theirs[1])} = {theirs[0] / theirs[1]:.1%} restic"
    if ours is None:
        yield _cells("again, 0.1 % of rows updated", "–", beside, "–", "–", f"≤ {MOST_GROWTH:.0%}", "not measured")
        return
    share = ours[0] / ours[1]
    yield _cells(
        "again, 0.1 % of rows updated: the repository grows by", f"{_bytes(ours[0])} of {_bytes(ours[1])}", beside,
        f"{share:.2%}", "–", f"≤ {MOST_GROWTH:.0%} of the first backup", _verdict(share <= MOST_GROWTH),
    )  # fmt: skip


def _growth(section: Section, tool: str) -> tuple[float, float] | None:
    """Bytes of the worst growth and of the first backup."""
    growths, firsts = section.values.get(f"{tool}: growth bytes"), section.values.get(f"{tool}: first bytes")
    return (max(growths), median(firsts)) if growths and firsts else None


def _memory_rows(ledger: Ledger) -> Iterator[str]:
    found = [
        (sample.rss_tree, sample.rss_main, f"{section.name}, {step.partition(': ')[2]}")
        for section in ledger.sections.values()
        for step, samples in section.samples.items()
        if step.startswith("holdfast: ")
        for sample in samples
    ]
    asked = f"≤ {_bytes(MOST_MEMORY)}"
    if not found:
        yield _cells("peak memory", "–", "", "–", "–", asked, "not measured")
        return
    tree, main, where = max(found)
    shown = f"{_bytes(main)} largest process, {_bytes(tree)} with its children ({where})"
    yield _cells("peak memory of all holdfast lines", shown, "", "–", "–", asked, _verdict(tree <= MOST_MEMORY))


def _look_rows(ledger: Ledger) -> Iterator[str]:
    section = ledger.sections.get("records")
    if section is None:
        return
    rows = f"{section.facts.get('rows', 0):,} rows"
    for step, most in LOOKS.items():
        wall = section.wall(step)
        asked = f"≤ {most:g} s" if most is not None else "–"
        verdict = "–" if most is None else "not measured" if wall is None else _verdict(wall <= most)
        yield _cells(f"{step}, of {rows}", _seconds(wall), "", "–", "–", asked, verdict)


def _index_rows(ledger: Ledger) -> Iterator[str]:
    section = ledger.sections.get("index")
    if section is None:
        return
    values = {name: median(numbers) for name, numbers in section.values.items()}
    peaks = [values[name] for name in ("build: peak bytes", "cached: peak bytes") if name in values]
    count = f"index of {section.facts.get('chunks', 0):,} chunks"
    if len(peaks) < 2:
        yield _cells(count, "–", "", "–", "–", "≤ 1 GiB, ≥ 300,000 look-ups a second", "not measured")
        return
    shown = f"{_bytes(peaks[0])} read from the fragments, {_bytes(peaks[1])} from the cache"
    yield _cells(f"{count}: peak memory", shown, "", "–", "–", "≤ 1 GiB", _verdict(max(peaks) <= MOST_INDEX_MEMORY))
    hits, misses = (
        min(values[f"{step}: {kind} a second"] for step in ("build", "cached")) for kind in ("hits", "misses")
    )
    shown = f"{hits:,.0f} found, {misses:,.0f} not there"
    reached = min(hits, misses) >= LEAST_LOOKUPS
    yield _cells(f"{count}: look-ups a second", shown, "", "–", "–", f"≥ {LEAST_LOOKUPS:,}", _verdict(reached))


def _missed(ledger: Ledger) -> Iterator[str]:
    rows = [row for row in _table(ledger) if row.endswith(("| **no** |", "| not measured |"))]
    if rows:
        yield "Missed or not measured:\n"
    for row in rows:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))]
        against = f" against {cells[2]}" if cells[2] else ""
        yield f"- {cells[0]}: {cells[1]}{against}, ratio {cells[3]}, asked {cells[5]}: {cells[6].strip('*')}."
    for section in ledger.sections.values():
        for step, why in section.failures.items():
            yield f"- {section.name}, {step}: failed: {' '.join(why.split())[:400]}"


def _details(section: Section) -> str:
    facts = ", ".join(f"{name} {value:,}" for name, value in section.facts.items())
    text = [
        f"### {section.name}",
        "",
        f"{section.when}, {section.repeats} repetition(s), load of the machine before: {section.load}. {facts}.",
        "",
    ]
    if section.samples:
        text += [
            "| step | median s | lowest–highest | cpu s | server cpu s | peak memory, largest / tree |",
            "|---|---|---|---|---|---|",
            *(_step_row(step, samples) for step, samples in section.samples.items()),
            "",
        ]
    text += [f"- {step}: {said}" for step, samples in section.samples.items() for said in _said(samples[-1])]
    text += [f"- {name}: {', '.join(map(_number, numbers))}" for name, numbers in section.values.items()]
    return "\n".join(text).rstrip()


def _step_row(step: str, samples: Sequence[Sample]) -> str:
    walls = [sample.wall for sample in samples]
    return _cells(
        _code(step),
        f"{median(walls):.2f}",
        f"{min(walls):.2f}–{max(walls):.2f}",
        f"{median([sample.cpu for sample in samples]):.2f}",
        f"{median([sample.server_cpu for sample in samples]):.2f}",
        f"{_bytes(max(sample.rss_main for sample in samples))} / {_bytes(max(sample.rss_tree for sample in samples))}",
    )


def _said(sample: Sample) -> Iterator[str]:
    """holdfast's own counts."""
    for snapshot in sample.said.get("snapshots", []):
        names = ("bytes_source", "bytes_read", "bytes_new", "bytes_stored")
        told = ", ".join(f"{name} {_bytes(snapshot[name])}" for name in names)
        yield f"holdfast says {told}, {snapshot['seconds']:.2f} s"


def _kept(path: Path) -> str:
    """The part written by hand, as it stands in the file now."""
    old = path.read_text() if path.exists() else ""
    begin, end = _KEPT
    inner = old.partition(begin)[2].partition(end)[0].strip("\n") if begin in old else _EMPTY
    return f"{begin}\n{inner.rstrip()}\n{end}"


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") if cell.count("|") else cell for cell in cells) + " |"


def _code(step: str) -> str:
    return f"`{step}`"


def _verdict(reached: bool) -> str:
    return "yes" if reached else "**no**"


def _seconds(number: float | None) -> str:
    return f"{number:.2f} s" if number is not None else "–"


def _bytes(number: float) -> str:
    return f"{number / 1e6:,.1f} MB" if number < 1e8 else f"{number / 1e6:,.0f} MB"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 1000 else f"{number:.2f}"
