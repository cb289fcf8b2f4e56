"""Positive selectors: which pairs count as positives. One file each."""

from supcon_ext.selectors.base import PositiveSelector, Role, SampleBank, Selection, selector

__all__ = ["PositiveSelector", "Role", "SampleBank", "Selection", "selector"]
