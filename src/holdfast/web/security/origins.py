"""Under which names this server is reached: what a Host header may say, and which origin its own pages have."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """``listen`` HOST:PORT as served; ``public_url`` where people find it, None when nothing stands in front."""

    listen: str
    public_url: str | None = None

    def knows(self, host: str) -> bool:
        """Whether a Host header is one of ours. A name that only points here is not: its site would be let in.

        An IP address cannot be pointed elsewhere, so any will do where every address is listened on.
        """
        name = _name(host)
        own = _name(self.listen)
        if self.public_url and name == _name(urlsplit(self.public_url).netloc):
            return True
        if _loopback(name):
            return True
        return _is_address(name) if own in _ANYWHERE else name == own

    def own(self, origin: str, scheme: str, host: str) -> bool:
        """Whether a page of ``origin`` is one of ours, for a request that came by ``scheme`` to ``host``."""
        given = _origin(origin)
        if given is None:
            return False
        return given == _origin(f"{scheme}://{host}") or (
            self.public_url is not None and given == _origin(self.public_url)
        )

    def secure(self, scheme: str, host: str) -> bool:
        """Whether the browser speaks HTTPS, to us or to what stands in front of us."""
        if scheme == "https":
            return True
        public = urlsplit(self.public_url or "")
        return public.scheme == "https" and _name(public.netloc) == _name(host)

    def private(self, scheme: str, host: str) -> bool:
        """Whether a password may be sent: by HTTPS, to this machine, or where ``public_url`` accepts plain HTTP."""
        public = urlsplit(self.public_url or "")
        accepted = public.scheme == "http" and _name(public.netloc) == _name(host)
        return self.secure(scheme, host) or _loopback(_name(host)) or accepted


def _name(host: str) -> str:
    """Without the port, in lower case, without brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
