"""Values of rows in lines for people."""

from __future__ import annotations

import json
from typing import Any


def shown_value(value: Any) -> str:
    """A value of a row in one line."""
    return value if isinstance(value, str) else "NULL" if value is None else json.dumps(value, ensure_ascii=False)
