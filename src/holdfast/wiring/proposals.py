"""What a new user probably wants protected: databases that the environment, an .env file or the folder name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from holdfast.model.secret import without_passwords
from holdfast.wiring.settings import SCHEMES
from holdfast.wiring.surroundings import Surroundings

_VARIABLES = re.compile(r"(?:export\s+)?(?P<name>[A-Z][A-Z0-9_]*(?:URL|URI|DSN))\s*=\s*(?P<value>.*)")
_SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db", ".db3")
_SQLITE_MAGIC = b"SQLite format 3\x00"
_AT_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A source that could be protected, and where it was found. ``url`` may hold a password."""

    name: str
    url: str = field(repr=False)
    found: str

    @property
    def shown(self) -> str:
        """Printable URL."""
        return without_passwords(self.url)


def propose(around: Surroundings) -> list[Proposal]:
    """Each place once, in the order environment, .env, files of the folder."""
    chosen: dict[str, Proposal] = {}
    for variables, where in ((around.environ, "environment"), (_dot_env(around), ".env")):
        for variable, value in variables.items():
            if variable.endswith(("URL", "URI", "DSN")) and (url := _source_url(value)):
                chosen.setdefault(url, Proposal(name=_name(url, chosen), url=url, found=f"{variable} in {where}"))
    for path in _sqlite_files(around):
        url = f"sqlite:{path}"
        chosen.setdefault(url, Proposal(name=_name(url, chosen), url=url, found="found here"))
    return list(chosen.values())[:_AT_MOST]


def _source_url(value: str) -> str | None:
    scheme, colon, rest = value.partition(":")
    # frameworks name their driver too: postgresql+asyncpg://
    kind = SCHEMES.get(scheme.lower().partition("+")[0]) if colon else None
    if kind == "postgresql" and rest.startswith("//"):
        return f"postgresql:{rest}"
    if kind == "mongodb" and rest.startswith("//") and rest[2:].partition("?")[0].partition("/")[2]:
        return f"{scheme.lower()}:{rest}"
    if kind == "sqlite" and rest.strip("/"):
        return f"sqlite:{'/' + rest.lstrip('/') if rest.startswith('////') else rest.removeprefix('///')}"
    return None


def _dot_env(around: Surroundings) -> Mapping[str, str]:
    try:
        text = (around.folder / ".env").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found = (_VARIABLES.match(line.strip()) for line in text.splitlines())
    return {match["name"]: match["value"].strip().strip("\"'") for match in found if match}


def _sqlite_files(around: Surroundings) -> Iterator[str]:
    for path in sorted(around.folder.iterdir()):
        if path.suffix.lower() in _SQLITE_ENDINGS and path.is_file():
            with path.open("rb") as file:
                if file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC:
                    yield f"./{path.name}"


def _name(url: str, taken: Mapping[str, Proposal]) -> str:
    return name_for(url, {proposal.name for proposal in taken.values()})


def name_for(url: str, taken: set[str]) -> str:
    """A short name made of the last part of a URL, not among those taken."""
    last = url.partition("?")[0].rstrip("/").rpartition("/")[2].rpartition(":")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", last.partition(".")[0]).strip("-")[:40] or "source"
    number, name = 1, stem
    while name in taken or name == "latest":
        number += 1
        name = f"{stem}-{number}"
    return name
