"""Comparing runs over seeds: tables and plots."""

from supcon_ext.compare.comparison import Comparison, Row, Spread, compare
from supcon_ext.compare.comparison_files import write_comparison

__all__ = ["Comparison", "Row", "Spread", "compare", "write_comparison"]
