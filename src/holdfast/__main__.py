"""The program ``holdfast``."""

from __future__ import annotations

from holdfast.cli.main import program as main

if __name__ == "__main__":
    main()
