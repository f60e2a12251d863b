"""Trees of files: read once in order, unchanged files unopened, and brought back with everything an inode holds.

    names, ladder, walk               how a tree is gone through: order, open folders, descent
    rules, exclude, only, admission   what belongs to it
    inode, read, links, pieces        what an entry is, and its bytes
    ahead                             files asked for before their turn
    before, capture, tally, losses    the previous snapshot alongside, one pass, what was counted and what was lost
    restore                           bringing a tree back
    source, opening, examine          the whole as a Source, and what doctor says about it
"""

from holdfast.sources.files.source import FilesSource

__all__ = ["FilesSource"]
