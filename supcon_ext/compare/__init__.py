"""Comparing runs over seeds: tables and plots."""

from supcon_ext.compare.comparison import Comparison, Row, Spread, compare

__all__ = ["Comparison", "Row", "Spread", "compare"]
