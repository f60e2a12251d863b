"""What prune says when it cannot do its work."""

from __future__ import annotations

import pytest

from holdfast.cli.verbs.prune import _told_when_full
from holdfast.model.errors import StorageFull


def test_a_full_store_does_not_send_prune_to_prune() -> None:
    """The hint of the store would lead in a circle."""
    with pytest.raises(StorageFull) as caught, _told_when_full():
        raise StorageFull("cannot write: no space left", hint="`holdfast prune` frees what forgotten snapshots held")
    assert "other means" in caught.value.hint
