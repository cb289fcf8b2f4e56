"""Weightings: how much contrasts and anchors weigh. One file each."""

from supcon_ext.weightings.base import Weighting, weighting

__all__ = ["Weighting", "weighting"]
