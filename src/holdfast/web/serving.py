"""An application on a socket."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import uvicorn
from fastapi import FastAPI

from holdfast.model.errors import UsageError
from holdfast.system import descriptors
from holdfast.web.connections import Seldom, at_once, line_class, most_of

_LINGER = 5
"""Seconds that requests have to end when the server is told to stop."""


def address(listen: str) -> tuple[str, int]:
    """``127.0.0.1:8470`` or ``[::1]:8470`` as host and port; UsageError for anything else."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise UsageError(f"{listen!r} is no address to listen on", hint="write 127.0.0.1:8470")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(app: FastAPI, listen: str, trusted_proxies: Sequence[str] = ()) -> None:
    """Answer until the process is told to stop. Only ``trusted_proxies`` may say who a request really comes from."""
    host, port = address(listen)
    for name in ("asyncio", "uvicorn.error"):
        logging.getLogger(name).addFilter(Seldom())
    most = most_of(descriptors.allowed())
    uvicorn.run(
        app, host=host, port=port, http=line_class(most), backlog=at_once(most), ws="none", log_level="warning",
        log_config=None, server_header=False, access_log=False, timeout_graceful_shutdown=_LINGER,
        proxy_headers=bool(trusted_proxies), forwarded_allow_ips=list(trusted_proxies),
    )  # fmt: skip
