"""How the three cloud services are addressed: URL options, the usual names of their keys, time limits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from holdfast.model.errors import UsageError
from holdfast.storage.address import Address, Bucket, parse_bucket
from holdfast.storage.objects import ObjectStorage, first_line
from holdfast.storage.retry import FIRST_PAUSE, LONGEST_PAUSE, RETRIES

_CLIENT = {"timeout": "10m", "connect_timeout": "10s"}  # half a minute would cut a pack on a slow line
_TRUE = ("1", "true", "yes", "on")
_OPTIONS = ("endpoint", "region", "allow_http")
_S3_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_DEFAULT_REGION": "region",
    "AWS_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ENDPOINT_URL_S3": "endpoint",
    "AWS_ROLE_ARN": "role_arn",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "container_credentials_full_uri",
    "AWS_SERVER_SIDE_ENCRYPTION": "server_side_encryption",
    "AWS_SSE_KMS_KEY_ID": "sse_kms_key_id",
    "AWS_CHECKSUM_ALGORITHM": "checksum_algorithm",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "virtual_hosted_style_request",
}
_GCS_SETTINGS = {
    "GOOGLE_SERVICE_ACCOUNT": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
    "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    "GOOGLE_BASE_URL": "base_url",
    "GOOGLE_BEARER_TOKEN": "bearer_token",
    "GOOGLE_SKIP_SIGNATURE": "skip_signature",
}
_AZURE_SETTINGS = {
    "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
    "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
    "AZURE_STORAGE_SAS_KEY": "sas_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
    "AZURE_STORAGE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_STORAGE_CLIENT_SECRET": "client_secret",
    "AZURE_CLIENT_SECRET": "client_secret",
    "AZURE_STORAGE_TENANT_ID": "tenant_id",
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_FEDERATED_TOKEN_FILE": "federated_token_file",
    "AZURE_STORAGE_ENDPOINT": "endpoint",
}


def open_s3(address: Address) -> ObjectStorage:
    """``s3://BUCKET/PREFIX?endpoint=…&region=…``; keys under their AWS names."""
    bucket = parse_bucket(address, _OPTIONS)
    config = {"region": "us-east-1", "disable_bulk_delete": "true"}
    config |= _chosen(address.credentials, _S3_SETTINGS) | _given(bucket, "endpoint", "region")
    return _open(S3Store, address, bucket, config, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def open_gcs(address: Address) -> ObjectStorage:
    """``gs://BUCKET/PREFIX``; a service account under the Google names."""
    bucket = parse_bucket(address, ("endpoint", "allow_http"))
    config = _chosen(address.credentials, _GCS_SETTINGS)
    if "endpoint" in bucket.options:
        config["base_url"] = bucket.options["endpoint"]
    return _open(GCSStore, address, bucket, config, "GOOGLE_APPLICATION_CREDENTIALS")


def open_azure(address: Address) -> ObjectStorage:
    """``az://CONTAINER/PREFIX``; account and key under the Azure names."""
    bucket = parse_bucket(address, ("endpoint", "allow_http"))
    config = _chosen(address.credentials, _AZURE_SETTINGS) | _given(bucket, "endpoint")
    names = "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
    return _open(AzureStore, address, bucket, config, names)


_WITHOUT_KEYS = {
    "s3": (S3Store, _OPTIONS, _S3_SETTINGS, ("region", "endpoint", "virtual_hosted_style_request")),
    "gs": (GCSStore, ("endpoint", "allow_http"), _GCS_SETTINGS, ("base_url",)),
    "az": (AzureStore, ("endpoint", "allow_http"), _AZURE_SETTINGS, ("account_name", "endpoint")),
}


def anonymous(address: Address) -> S3Store | GCSStore | AzureStore:
    """A client for the same place that has no key; it asks once and waits ten seconds at most."""
    kind, options, names, kept = _WITHOUT_KEYS[address.scheme]
    bucket = parse_bucket(address, options)
    config = {name: value for name, value in _chosen(address.credentials, names).items() if name in kept}
    config |= _given(bucket, "endpoint", "region")
    if kind is GCSStore and "endpoint" in config:
        config["base_url"] = config.pop("endpoint")
    if kind is S3Store:
        config.setdefault("region", "us-east-1")
    client = {"timeout": "10s", "connect_timeout": "5s"}
    client["allow_http"] = _plain_http(address.credentials, bucket, config)  # type: ignore[assignment]
    place: dict[str, Any] = {"prefix": bucket.prefix or None, "client_options": client, "retry_config": _retry(0)}
    store: S3Store | GCSStore | AzureStore = kind(
        bucket.container, config={**config, "skip_signature": "true"}, **place
    )
    return store


def _open(
    kind: type[Any], address: Address, bucket: Bucket, config: dict[str, str], names: str
) -> ObjectStorage:
    hint = f"check that {names} are set and allow this"
    url = f"{address.scheme}:{address.rest}"
    client = {**_CLIENT, "allow_http": _plain_http(address.credentials, bucket, config)}
    place = {"prefix": bucket.prefix or None, "config": config, "client_options": client}
    try:
        reader, writer = (
            kind(bucket.container, **place, retry_config=_retry(retries)) for retries in (RETRIES, 0)
        )
    except (BaseError, ValueError, OSError) as error:  # not chained: it may quote a key that cannot be read
        why = first_line(str(error))[:200]
        raise UsageError("this repository cannot be opened", where=url, why=why, hint=hint) from None
    return ObjectStorage(url, reader, writer, hint)


def _retry(retries: int) -> dict[str, Any]:
    pauses = {
        "init_backoff": timedelta(seconds=FIRST_PAUSE),
        "max_backoff": timedelta(seconds=LONGEST_PAUSE),
        "base": 2,
    }
    return {"max_retries": retries, "retry_timeout": timedelta(minutes=3), "backoff": pauses}


def _chosen(credentials: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """Settings that are given, under the client's names; of two names for one setting the later counts."""
    return {setting: value for name, setting in settings.items() if (value := credentials.get(name))}


def _given(bucket: Bucket, *names: str) -> dict[str, str]:
    return {name: bucket.options[name] for name in names if name in bucket.options}


def _plain_http(credentials: Mapping[str, str], bucket: Bucket, config: Mapping[str, str]) -> bool:
    """Without TLS only where that was asked for, or to this very machine."""
    asked = bucket.options.get("allow_http") or credentials.get("AWS_ALLOW_HTTP", "")
    host = urlsplit(config.get("endpoint") or config.get("base_url") or "").hostname
    return asked.lower() in _TRUE or host in ("127.0.0.1", "::1", "localhost")
