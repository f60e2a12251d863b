"""SQLite databases: captured page by page at one instant, restored whole.

source          one database file of an application
capture         one consistent image, cut into segments; unchanged databases are recognised
reader          the image as this process sees it ─┐
server          the child process that holds it  ←─┘  commands, lanes of bytes
holding         which locks are held, and where the bytes of that state are
walindex, image, copying, inspection   parts of that
target          where a restore goes: plan, hold, apply, verify
placing         a new file, checked before it gets its name
replacing       new content into a database that others have open
examining       what a first user gets wrong
"""

from holdfast.sources.sqlite.source import SqliteSource

__all__ = ["SqliteSource"]
