"""``holdfast version``."""

from __future__ import annotations

import platform

from holdfast import __version__
from holdfast.cli.face import Face
from holdfast.cli.options import verb


@verb("version", examples="holdfast version --json")
def version(face: Face) -> None:
    """Print the version."""
    face.document({"holdfast": __version__, "python": platform.python_version()})
    face.line(f"holdfast {__version__}")
