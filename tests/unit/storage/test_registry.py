"""URLs and the stores they name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from holdfast.model.errors import UsageError
from holdfast.storage.registry import FORMS, open_storage


@pytest.mark.parametrize("url", ["ftp://user:marker@host/x", "S4://bucket", "http://x?token=marker", "c:\\marker"])
def test_an_unknown_kind_is_refused_with_the_known_ones(url: str) -> None:
    """Without repeating what may hold a password."""
    with pytest.raises(UsageError) as caught:
        open_storage(url, credentials={})
    for form in FORMS:
        assert form in caught.value.hint
    assert "marker" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "file:", "file://", "file://elsewhere/path", "file:a\0b", "sqlite:", "sqlite:dir/"]
)
def test_a_url_without_a_place_is_refused(url: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError) as caught:
        open_storage(url, credentials={})
    assert caught.value.what


def test_a_memory_store_is_found_again_by_its_name() -> None:
    """Within one process."""
    open_storage("memory:here", credentials={}).put_new("a", b"x")
    assert open_storage("memory:here", credentials={}).get("a") == b"x"
    assert list(open_storage("memory:there", credentials={}).list("")) == []


def test_only_the_kind_that_is_used_is_loaded() -> None:
    """Opening a folder costs neither the cloud client nor the database driver."""
    program = (
        "import sys; from holdfast.storage.registry import open_storage; open_storage('/tmp/x', credentials={});"
        "sys.exit(' '.join({'obstore', 'psycopg', 'sqlite3', 'ctypes'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": "src"}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
