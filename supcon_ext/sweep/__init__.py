"""Sweeps: a grid of recipes, seeds and settings, run one after the other."""

from supcon_ext.sweep.plan import Child, Sweep, load_sweep
from supcon_ext.sweep.runner import SweepResult, run_sweep

__all__ = ["Child", "Sweep", "SweepResult", "load_sweep", "run_sweep"]
