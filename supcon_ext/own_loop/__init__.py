"""Selectors, weightings and the loss in a training loop of one's own, without a recipe."""

from supcon_ext.own_loop.selective_supcon import SelectiveSupCon

__all__ = ["SelectiveSupCon"]
