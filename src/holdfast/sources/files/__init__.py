"""Trees of files: read once in order, unchanged files unopened, and brought back with everything an inode holds.

    names, ladder, walk        how a tree is gone through: order, open folders, descent
    rules, exclude, only, admission   what belongs to it
    inode, read, links, pieces what an entry is, and its bytes
    before, capture            the previous snapshot alongside, and one pass over the tree
    source                     the whole as a Source
"""

from holdfast.sources.files.source import FilesSource

__all__ = ["FilesSource"]
