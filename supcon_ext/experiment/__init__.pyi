# Every public name and the module that has it, read when the package is imported.

from .cannot_start import CannotStart as CannotStart
from .folder import find_run as find_run
from .processes import as_launched as as_launched
from .results_table import result_rows as result_rows
from .runner import dry_run as dry_run
from .runner import resume as resume
from .runner import run as run
from .session import RunResult as RunResult
