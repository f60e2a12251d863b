"""Bringing a tree back.

    place                where it goes: a new folder, or the tree itself
    compare, survey      what stands there now, and what would happen to each item
    temporary            names of what is not complete yet
    dress, write         an inode's metadata, and one entry put on disk
    build                the whole tree, folder by folder, files in parallel
    remove, durable      deletions, and making everything survive power loss
    verify               reading back and comparing
    target               the whole as a Target
"""
