"""The text of a new holdfast.toml: short, with comments where a first user would ask."""

from __future__ import annotations

import json
from collections.abc import Mapping

from holdfast.wiring.settings import RepositorySettings, SourceSettings

_HEAD = """\
# What is protected, and where its snapshots go. Checked by: holdfast config validate
# Relative paths begin at this file's folder. Secrets are only referred to:
#   env:NAME  file:PATH  cmd:COMMAND  credential:NAME (systemd)

"""

_SOURCE_COMMENTS = {
    "postgresql": '# tables = ["public.*"]  and  exclude = ["public.sessions"]  choose; the default is everything\n',
    "files": '# exclude = ["*.tmp", "cache/"]  leaves out, in the syntax of .gitignore\n',
    "mongodb": '# collections = ["orders*"]  and  exclude = ["tmp*"]  choose; the default is everything\n',
    "sqlite": "",
}


def render(repository: RepositorySettings, sources: Mapping[str, SourceSettings]) -> str:
    """TOML that parses back to the same settings."""
    parts = [_HEAD, "[repository]\n", _line("url", repository.url), _line("passphrase", repository.passphrase)]
    if repository.password:
        parts.append(_line("password", repository.password))
    if repository.single_writer:
        parts.append("# this store cannot refuse to overwrite: never run two at the same time\nsingle_writer = true\n")
    for name, source in sources.items():
        parts += [f"\n[sources.{_key(name)}]\n", _line("url", source.url)]
        if source.password:
            parts.append(_line("password", source.password))
        parts.append(_SOURCE_COMMENTS[source.scheme])
    if not sources:
        parts.append(
            '\n# [sources.shop]\n# url = "postgresql://app@localhost/shop"\n# password = "env:SHOP_PASSWORD"\n'
        )
    return "".join(parts)


def _line(key: str, value: str) -> str:
    return f"{key} = {_quoted(value)}\n"


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _quoted(name)


def _quoted(text: str) -> str:
    # a TOML basic string is a JSON string, but for DEL, which TOML wants escaped
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
