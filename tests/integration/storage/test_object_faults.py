"""A cloud store on a bad day: busy servers, cut connections, lost answers, refusals. Nothing is lost or believed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.servers.gcs_xml import GcsDouble, gcs_double
from tests.servers.objectstores import s3_server

from holdfast.model.errors import ObjectExists, StorageError, StorageFull, UsageError
from holdfast.storage.base import Storage
from holdfast.storage.registry import open_storage

TOKEN = "ya29.marker-token"
BODY = b"body " * 10_000


@pytest.fixture
def double() -> Iterator[GcsDouble]:
    """A server whose faults can be ordered."""
    with gcs_double() as running:
        yield running


@pytest.fixture
def storage(double: GcsDouble) -> Storage:
    """A client of it."""
    url = f"gs://bucket/prefix?endpoint={double.endpoint}"
    return open_storage(url, credentials={"GOOGLE_BEARER_TOKEN": TOKEN})


@pytest.mark.parametrize("fault", [500, 502, 503, 429, "drop-before", "drop-after"])
def test_a_write_survives_passing_faults(double: GcsDouble, storage: Storage, fault: int | str) -> None:
    """Twice in a row, whether or not the server had already done it."""
    double.faults = [("PUT", fault), ("PUT", fault)]
    storage.put_new("log/1", BODY)
    assert storage.get("log/1") == BODY
    assert double.faults == []
    with pytest.raises(ObjectExists):
        storage.put_new("log/1", BODY)


@pytest.mark.parametrize("fault", [503, "drop-before"])
def test_a_repeated_write_does_not_mistake_another_object_for_its_own(
    double: GcsDouble, storage: Storage, fault: int | str
) -> None:
    """The name was taken by somebody else before the repetition: ObjectExists, whatever happened before."""
    double.objects["bucket/prefix/log/1"] = (b"somebody else's", time.time())
    double.faults = [("PUT", fault)]
    with pytest.raises(ObjectExists):
        storage.put_new("log/1", BODY)
    assert storage.get("log/1") == b"somebody else's"


def test_a_contested_name_that_nobody_won_is_written_again(double: GcsDouble, storage: Storage) -> None:
    """A conflict is not an object: whoever believes it without looking has written nothing."""
    double.faults = [("PUT", 409)]
    storage.put_new("log/1", BODY)
    assert storage.get("log/1") == BODY


@pytest.mark.parametrize("fault", ["cut", "drop-before", 503])
def test_a_read_survives_passing_faults(double: GcsDouble, storage: Storage, fault: int | str) -> None:
    """A body that ends halfway is read again, never handed out."""
    storage.put_new("packs/1", BODY)
    double.faults = [("GET", fault), ("GET", fault)]
    assert storage.get("packs/1") == BODY
    double.faults = [("GET", fault)]
    assert storage.get("packs/1", 100, 40_000) == BODY[100:40_100]
    double.faults = [("GET", fault)] if fault != "cut" else []
    assert [each.name for each in storage.list("packs/")] == ["packs/1"]


@pytest.mark.parametrize("fault", ["drop-after", "drop-before", 503])
def test_a_delete_survives_passing_faults(double: GcsDouble, storage: Storage, fault: int | str) -> None:
    """Also when it had happened already."""
    storage.put_new("packs/1", BODY)
    double.faults = [("DELETE", fault)]
    storage.delete("packs/1")
    assert list(storage.list("")) == []


@pytest.mark.parametrize(("status", "kind"), [(403, StorageError), (401, StorageError), (507, StorageFull)])
def test_a_lasting_refusal_is_told_at_once_and_without_a_secret(
    double: GcsDouble, storage: Storage, status: int, kind: type[StorageError]
) -> None:
    """One request, no retries, the status in the reason, the token nowhere."""
    double.faults = [("PUT", status)]
    with pytest.raises(kind) as caught:
        storage.put_new("a", BODY)
    assert not caught.value.retryable
    assert str(status) in caught.value.why
    assert caught.value.hint
    assert TOKEN not in str(caught.value)
    assert double.requests == ["PUT bucket/prefix/a"]


def test_a_refused_delete_is_an_error(double: GcsDouble, storage: Storage) -> None:
    """An object under retention stays, and the caller hears of it."""
    storage.put_new("a", BODY)
    double.faults = [("DELETE", 403)]
    with pytest.raises(StorageError):
        storage.delete("a")
    assert storage.get("a") == BODY


def test_a_signed_url_never_reaches_an_error(double: GcsDouble) -> None:
    """Azure's shared signatures are part of every request's URL, and of the client's own error texts."""
    signature = "marker-signature"
    storage = open_storage(
        f"az://bucket?endpoint={double.endpoint}",
        credentials={
            "AZURE_STORAGE_ACCOUNT_NAME": "account",
            "AZURE_STORAGE_SAS_TOKEN": f"sv=2021-08-06&sp=rw&sig={signature}",
        },
    )
    double.faults = [("PUT", 403), ("GET", 403), ("HEAD", 403), ("DELETE", 403)]
    for call in (lambda: storage.put_new("a", b"x"), lambda: storage.get("a"), lambda: storage.stat("a"),
                 lambda: storage.delete("a"), lambda: list(storage.list(""))):  # fmt: skip
        with pytest.raises(StorageError) as caught:
            call()
        shown = f"{caught.value}{caught.value!r}{caught.value.__cause__}"
        assert signature not in shown
    assert signature not in repr(storage)


def test_a_missing_bucket_is_not_a_missing_object() -> None:
    """Or `init` would believe that it may begin."""
    server = s3_server()
    storage = open_storage("s3://no-such-bucket/prefix", credentials=server.credentials)
    for call in (lambda: storage.get("a"), lambda: storage.put_new("a", b"x"), lambda: list(storage.list(""))):
        with pytest.raises(StorageError, match="the bucket does not exist"):
            call()


@pytest.mark.parametrize(
    "url",
    ["s3://AKIA:marker@bucket/prefix", "s3://", "s3:///prefix", "s3:bucket", "s3://bucket/a//b", "s3://bucket/../b/c",
     "s3://bucket?endpiont=x", "gs://bucket?region=x", "az://u:marker@container"],
)  # fmt: skip
def test_a_url_that_cannot_be_is_refused(url: str) -> None:
    """With what to write instead, and without the key that may stand in it."""
    with pytest.raises(UsageError) as caught:
        open_storage(url, credentials={})
    assert caught.value.hint
    assert "marker" not in str(caught.value)


def test_plain_http_needs_to_be_asked_for() -> None:
    """Except to this machine."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    storage = open_storage("s3://bucket?endpoint=http://storage.invalid", credentials=keys)
    with pytest.raises(StorageError) as caught:
        storage.put_new("a", b"x")
    assert not caught.value.retryable
