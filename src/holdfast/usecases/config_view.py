"""The configuration as it is in force, with everything secret left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.model.secret import without_passwords


def view(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` (plain values) without passwords; commands in references lose their arguments.

    A reference says where a secret is, which may be shown; a command line may hold a secret itself.
    """
    return {key: _shown(value) for key, value in settings.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return view(value)
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    if isinstance(value, str) and value.startswith("cmd:"):
        return f"cmd:{value.removeprefix('cmd:').split(' ')[0]} …"
    return without_passwords(value) if isinstance(value, str) else value
