"""The cloud stores keep the whole contract, on servers that speak the real protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contracts.storage_contract import Opener, StorageContract
from tests.servers.gcs_xml import gcs_double
from tests.servers.objectstores import AZURE_KEY, azure_server, s3_server

from holdfast.storage.registry import open_storage


class TestS3(StorageContract):
    """S3 on ministack."""

    @pytest.fixture
    def opener(self) -> Opener:
        """A new bucket, below a prefix."""
        server = s3_server()
        self.secrets = (server.credentials["AWS_SECRET_ACCESS_KEY"],)
        bucket = server.create_bucket()
        return lambda: open_storage(f"s3://{bucket}/backups/shop", credentials=server.credentials)


class TestAzure(StorageContract):
    """Azure Blob Storage on azurite."""

    secrets = (AZURE_KEY,)

    @pytest.fixture
    def opener(self) -> Opener:
        """A new container, without a prefix."""
        server = azure_server()
        container = server.create_container()
        return lambda: open_storage(f"az://{container}", credentials=server.credentials)


class TestGoogle(StorageContract):
    """The client's side of Google Cloud Storage, on a double of its XML API."""

    secrets = ("ya29.token",)

    @pytest.fixture
    def opener(self) -> Iterator[Opener]:
        """A double of its own."""
        with gcs_double() as double:
            url = f"gs://bucket/pre/fix?endpoint={double.endpoint}"
            yield lambda: open_storage(url, credentials={"GOOGLE_BEARER_TOKEN": self.secrets[0]})


def test_the_real_google_cloud_storage() -> None:
    """Said aloud, because the suite above passes on a double only."""
    pytest.skip("not proven: Google Cloud Storage: no emulator of its XML API exists, only our own double was used")
