"""Django's commands for the example: ``tables`` makes its tables, everything else is Django's own."""

from __future__ import annotations

import sys

import shop
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    if sys.argv[1:] == ["tables"]:
        shop.create_tables()
    else:
        execute_from_command_line(sys.argv)
