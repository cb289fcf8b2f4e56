"""Noise-robust and long-tail extensions for supervised contrastive (SupCon) learning.

One base loss, into which positive selectors, weightings and synthetic positives plug::

    from supcon_ext import SupConLoss
    loss = SupConLoss(temperature=0.1)(features, labels)     # features (B, V, D), labels (B,)

Everything below is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supcon_ext.experiment import resume, run
    from supcon_ext.losses import PairTile, Rows, SupConLoss, WeightPlan
    from supcon_ext.recipe import RecipeError, load_recipe, parse_recipe
    from supcon_ext.selectors import PositiveSelector, SampleBank, Selection, selector
    from supcon_ext.sweep import load_sweep, run_sweep
    from supcon_ext.weightings import Weighting

_HOMES = {
    "PairTile": "losses",
    "PositiveSelector": "selectors.base",
    "RecipeError": "recipe",
    "SampleBank": "selectors.base",
    "Selection": "selectors.base",
    "SupConLoss": "losses",
    "Rows": "losses",
    "WeightPlan": "losses",
    "Weighting": "weightings.base",
    "load_recipe": "recipe",
    "load_sweep": "sweep",
    "parse_recipe": "recipe",
    "resume": "experiment",
    "run": "experiment",
    "run_sweep": "sweep",
    "selector": "selectors.base",
}

__all__ = [
    "PairTile",
    "PositiveSelector",
    "RecipeError",
    "Rows",
    "SampleBank",
    "Selection",
    "SupConLoss",
    "WeightPlan",
    "Weighting",
    "load_recipe",
    "load_sweep",
    "parse_recipe",
    "resume",
    "run",
    "run_sweep",
    "selector",
]

try:
    __version__ = version("supcon-ext")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]
