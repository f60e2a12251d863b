"""Sites to try holdfast on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.program import Site


@pytest.fixture
def empty_site(tmp_path: Path) -> Site:
    """Nothing there yet."""
    return Site(tmp_path / "site")


@pytest.fixture
def site(empty_site: Site) -> Site:
    """A database and files, protected by a new repository."""
    empty_site.fill()
    empty_site.init()
    return empty_site
