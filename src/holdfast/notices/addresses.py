"""Where messages must not go: addresses that only a machine's own cloud answers at."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def refusal(url: str) -> str:
    """Why nothing is sent to ``url``, "" when it may be: http(s) only, never a link-local (metadata) address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "it is no http or https URL"
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(parts.hostname, parts.port or 443)}
    except (OSError, ValueError):
        return "its host name is not known"
    for text in found:
        address = ipaddress.ip_address(str(text).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified:
            return "its address is one of the machine's own cloud (link-local), which messages never go to"
    return ""
