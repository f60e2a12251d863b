"""The stores that need no server keep the whole contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contracts.storage_contract import Opener, StorageContract

from holdfast.storage.local import LocalStorage
from holdfast.storage.memory import MemoryStorage
from holdfast.storage.registry import open_storage
from holdfast.system import files


class TestMemory(StorageContract):
    """In this process."""

    @pytest.fixture
    def opener(self) -> Opener:
        """Every client is the one dictionary."""
        storage = MemoryStorage("contract")
        return lambda: storage


class TestLocal(StorageContract):
    """In a directory, published by hard links."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """A folder that does not exist yet."""
        return lambda: LocalStorage(tmp_path / "deep" / "store")


class TestLocalByRename(StorageContract):
    """Where hard links are not offered."""

    many = 200

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """The second way of publishing."""
        return lambda: LocalStorage(tmp_path / "store", ways=(files.publish_by_rename,))


class TestLocalUnderLock(StorageContract):
    """Where neither links nor a rename without replacement are offered."""

    many = 200

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """The last way of publishing."""
        return lambda: LocalStorage(tmp_path / "store", ways=(files.publish_under_lock,))


class TestSqlite(StorageContract):
    """In a table of a SQLite file."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> Opener:
        """A file that does not exist yet."""
        return lambda: open_storage(f"sqlite:{tmp_path}/deep/store.db?table=backups", credentials={})
