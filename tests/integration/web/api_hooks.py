"""What schemathesis checks beside its own checks: a request of the described shape is not refused for its shape."""

from __future__ import annotations

from typing import Any

import schemathesis

_SHAPE = ("body", "query", "path", "header")


@schemathesis.check
def described_shape_is_accepted(ctx: Any, response: Any, case: Any) -> None:
    """422 for a cursor nobody made or a key used twice is right; "where": "body.sources" for a valid body is not."""
    if response.status_code != 422 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    told = response.json()
    where = str(told.get("where") or told.get("error") or "")
    assert not where.startswith(_SHAPE), f"described, and refused for its shape: {where}: {told}"
