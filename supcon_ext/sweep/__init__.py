"""Sweeps: a grid of recipes, seeds and settings."""

from supcon_ext.sweep.jobs import check_jobs, jobs_at_hand
from supcon_ext.sweep.only import chosen
from supcon_ext.sweep.plan import Child, Sweep, load_sweep
from supcon_ext.sweep.runner import SweepResult, run_sweep

__all__ = [
    "Child",
    "Sweep",
    "SweepResult",
    "check_jobs",
    "chosen",
    "jobs_at_hand",
    "load_sweep",
    "run_sweep",
]
