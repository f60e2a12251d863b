"""Where messages must not go: addresses that only a machine's own cloud answers at."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit


class Refused(OSError):
    """Nothing is sent to this address; ``strerror`` says why."""


def refusal(url: str) -> str:
    """Why nothing is sent to ``url``, "" when it may be: http(s) only, never a link-local (metadata) address."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return "it is no http or https URL"
        port = parts.port or 443
    except ValueError:
        return "it is no http or https URL"
    try:
        found = socket.getaddrinfo(parts.hostname, port)
    except (OSError, ValueError):
        return "its host name is not known"
    return next((why for entry in found if (why := _forbidden(str(entry[4][0])))), "")


def connected(address: tuple[str, int], timeout: Any = None, source_address: Any = None) -> socket.socket:
    """As socket.create_connection, to an address that was looked at: a name that answers otherwise by now helps nobody.

    Refused when none may be gone to.
    """
    host, port = address
    why = "its host name is not known"
    for _family, _kind, _protocol, _name, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if forbidden := _forbidden(str(place[0])):
            raise Refused(0, forbidden)
        try:
            return socket.create_connection((str(place[0]), port), timeout, source_address)
        except OSError as error:
            why = error.strerror or type(error).__name__
    raise OSError(0, why)


def _forbidden(text: str) -> str:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
        return "its address is one of the machine's own cloud (link-local), which messages never go to"
    return ""
