"""Stored truth: packs of sealed chunks, an index that can be rebuilt, and one ordered log that says what is alive.

The only package that knows storage, crypto and chunking together. docs/format-1.md specifies every byte.
"""
