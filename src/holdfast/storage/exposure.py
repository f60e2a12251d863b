"""May anybody read this store? Tried as anybody would: with the store's address and no key."""

from __future__ import annotations

from collections.abc import Mapping

import obstore
from obstore.exceptions import BaseError

from holdfast.storage.address import Address
from holdfast.storage.services import anonymous

_TRIED = "holdfast.json"
KINDS = ("s3", "gs", "az")


def exposed(url: str, settings: Mapping[str, str]) -> str:
    """How anybody may look into the store, in words; "" when nobody may, or it is no object store.

    ``settings``: where the service is (endpoint, region, account name); keys among them are not used. A store that
    does not answer is not called public.
    """
    address = Address.parse(url, settings, None)
    if address.scheme not in KINDS:
        return ""
    client = anonymous(address)
    where = url.partition("?")[0]
    try:
        obstore.get_range(client, _TRIED, start=0, length=1)
    except (BaseError, OSError, ValueError):
        pass
    else:
        return f"{_TRIED} of {where} was read without a key"
    try:
        listed = next(iter(obstore.list(client, chunk_size=1)), None)
    except (BaseError, OSError, ValueError):
        return ""
    return f"{where} was listed without a key" if listed else ""
