"""Values of rows in lines for people."""

from __future__ import annotations

import json
from typing import Any

from holdfast.model.records import Digits


def shown_value(value: Any) -> str:
    """A value of a row in one line."""
    if isinstance(value, Digits):
        return value.text
    return value if isinstance(value, str) else "NULL" if value is None else json.dumps(value, ensure_ascii=False)
