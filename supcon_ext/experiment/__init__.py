"""A recipe made into objects, run, resumed and measured."""

from supcon_ext.experiment.cannot_start import CannotStart
from supcon_ext.experiment.folder import find_run
from supcon_ext.experiment.processes import as_launched
from supcon_ext.experiment.results_table import result_rows
from supcon_ext.experiment.runner import dry_run, resume, run
from supcon_ext.experiment.session import RunResult
from supcon_ext.interrupt import Interrupted

__all__ = [
    "CannotStart",
    "Interrupted",
    "RunResult",
    "as_launched",
    "dry_run",
    "find_run",
    "result_rows",
    "resume",
    "run",
]
