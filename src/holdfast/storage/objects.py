"""Stores in the cloud: S3, Google Cloud Storage, Azure Blob Storage and what speaks their languages."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from holdfast.model.errors import ObjectExists, ObjectMissing, StorageError, StorageFull
from holdfast.storage.base import Buffer, Stat, Traits
from holdfast.storage.names import check_name, check_prefix, check_range
from holdfast.storage.retry import is_own, repeated

_STATUS = re.compile(r"status code: (\d{3})( [A-Za-z -]+)?")
_CODE = re.compile(r"<Code>([^<]{1,80})</Code>")
_MESSAGE = re.compile(r"<Message>([^<]{1,200})")
_ANY_URL = re.compile(r"\S+://\S+")
_PAST_THE_END = "Wanted range starting at"  # said by the client itself when a server answers such a range
_NO_CONTAINER = ("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted")
_FULL = ("QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientStorage")
_PASSING_STATUS = ("408", "409", "429", "500", "502", "503", "504")

Client = S3Store | GCSStore | AzureStore


class ObjectStorage:
    """A container of one of the three, below a prefix.

    ``reader`` repeats failed requests by itself. ``writer`` never does: whether a create-only write that
    found the name taken is the first of its kind is known only to whoever repeats it.
    """

    def __init__(self, url: str, reader: Client, writer: Client, hint: str) -> None:
        self._url = url
        self._reader = reader
        self._writer = writer
        self._hint = hint

    def __repr__(self) -> str:
        return f"ObjectStorage({self._url!r})"

    @property
    def url(self) -> str:
        """As it was written; keys are never part of it."""
        return self._url

    @property
    def traits(self) -> Traits:
        """Far away: many requests at once are worth while."""
        return Traits(parallel=16)

    def put_new(self, name: str, data: Buffer) -> None:
        """See Storage."""
        check_name(name)
        repeated(lambda again: self._create(name, data, again=again))

    def get(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """See Storage."""
        check_name(name)
        check_range(offset, length)
        if length == 0:
            self.stat(name)
            return b""
        try:
            with self._translated("read", name):
                return self._read(name, offset, length)
        except _PastTheEndError:
            return b""

    def stat(self, name: str) -> Stat:
        """See Storage."""
        check_name(name)
        with self._translated("read", name):
            found = obstore.head(self._reader, name)
        return Stat(name, found["size"], found["last_modified"].timestamp())

    def list(self, prefix: str) -> Iterator[Stat]:
        """See Storage."""
        check_prefix(prefix)
        return self._pages(prefix)

    def delete(self, name: str) -> None:
        """See Storage."""
        check_name(name)
        with contextlib.suppress(ObjectMissing), self._translated("delete", name):
            obstore.delete(self._reader, name)

    def free_space(self) -> int | None:
        """Such stores do not tell."""
        return None

    def close(self) -> None:
        """Connections go with the clients."""

    def _create(self, name: str, data: Buffer, *, again: bool) -> None:
        """One attempt; ``again``: an earlier one that was reported as failed may have taken effect."""
        try:
            with self._translated("write", name):
                obstore.put(self._writer, name, memoryview(data), mode="create", use_multipart=False)
        except ObjectExists as taken:
            try:
                if again:
                    return is_own(lambda: self.get(name), data, taken)
                self.stat(name)
            except ObjectMissing as error:  # the name was contested, and whoever had it lost it: once more
                raise StorageError(
                    "the name is contested", where=f"{self._url} {name}", retryable=True
                ) from error
            raise
        return None

    def _read(self, name: str, offset: int, length: int | None) -> bytes:
        if length is not None:
            return bytes(obstore.get_range(self._reader, name, start=offset, length=length))
        if offset:
            return bytes(obstore.get(self._reader, name, options={"range": {"offset": offset}}).bytes())
        return bytes(obstore.get(self._reader, name).bytes())

    def _pages(self, prefix: str) -> Iterator[Stat]:
        with self._translated("list", prefix):
            pages = iter(obstore.list(self._reader, prefix or None, chunk_size=1000))
        while True:
            with self._translated("list", prefix):
                page = next(pages, None)
            if page is None:
                return
            for each in page:
                yield Stat(each["path"], each["size"], each["last_modified"].timestamp())

    @contextlib.contextmanager
    def _translated(self, verb: str, name: str) -> Iterator[None]:
        """Foreign errors in our words; the client takes keys and signatures out of its own."""
        try:
            yield
        except AlreadyExistsError as error:
            raise ObjectExists("the object exists already", where=f"{self._url} {name}") from error
        except (BaseError, OSError) as error:
            raise _explain(error, verb, f"{self._url} {name}".rstrip(), self._hint) from error


class _PastTheEndError(StorageError):
    """The range begins behind the object's last byte."""


def _explain(error: Exception, verb: str, where: str, hint: str) -> StorageError:
    text = str(error)
    status, why = _reason(text)
    if any(code in why for code in _NO_CONTAINER):
        return StorageError(
            f"cannot {verb}: the bucket does not exist", where=where, why=why, hint="create it first"
        )
    if status == "416" or _PAST_THE_END in text:
        return _PastTheEndError("the range begins behind the end", where=where)
    if isinstance(error, FileNotFoundError) and verb != "write":
        return ObjectMissing("there is no such object", where=where)
    if status == "507" or any(code in why for code in _FULL):
        return StorageFull(f"cannot {verb}: no space left", where=where, why=why, hint="raise the quota")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StorageError(f"cannot {verb}: not allowed", where=where, why=why, hint=hint)
    if not status and "HTTP error" in text:
        hint = "check the network, and the endpoint if one is given"
        passing = "kind: Builder" not in text
    else:
        passing = status in _PASSING_STATUS
    what = f"cannot {verb} now" if passing else f"cannot {verb}"
    return StorageError(what, where=where, why=why, hint=hint, retryable=passing)


def first_line(text: str) -> str:
    """The first line of a client's error, without its URLs: they may be signed."""
    return _ANY_URL.sub("", text.split("\n", 1)[0])


def _reason(text: str) -> tuple[str, str]:
    """HTTP status, and what the service said, without URLs."""
    found = _STATUS.search(text)
    if found is None:
        kind = re.search(r"kind: (Connect|Timeout)", text)
        told = first_line(text).rsplit(" - ", 1)[-1][:300]
        return "", f"{told} ({kind.group(1).lower()})" if kind else told
    details = [each.group(1).strip() for each in (_CODE.search(text), _MESSAGE.search(text)) if each]
    return found.group(1), ": ".join([f"{found.group(1)}{found.group(2) or ''}", *details])
