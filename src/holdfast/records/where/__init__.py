"""Conditions on rows, ``status = 'open' and amount > 100``: a small language that can only choose."""

from holdfast.records.where.parsing import parse_where

__all__ = ["parse_where"]
