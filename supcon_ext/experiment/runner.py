"""One run from recipe to results: started, stopped, gone on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supcon_ext.experiment.cannot_start import CannotStart, starting
from supcon_ext.experiment.fingerprint import ACCEPTABLE
from supcon_ext.experiment.folder import find_run
from supcon_ext.experiment.given import data_of_run, with_data
from supcon_ext.experiment.processes import as_launched
from supcon_ext.experiment.session import RunResult, session
from supcon_ext.experiment.standing import recipe_of
from supcon_ext.recipe.schema import Recipe


def run(
    recipe: Recipe,
    *,
    data: Any = None,
    folder: Path | None = None,
    tags: Mapping[str, str] | None = None,
    parent_run_id: str | None = None,
    beside: Mapping[str, str] | None = None,
) -> RunResult:
    """Run a recipe to its results.

    Args:
        recipe: What to run.
        data: What to train on, in place of the recipe's ``data.dataset``: a torch Dataset (map
            style, of (image, label)), a Hugging Face Dataset, arrays (X, y), or (paths, labels);
            or a mapping of these by ``train``, ``validation`` and ``test``. Every sample is read
            once before, so that the fingerprint covers it. None reads what the recipe names.
        folder: Where to; None makes a new folder under the recipe's ``tracking.folder``.
        tags: Further tags of the MLflow run.
        parent_run_id: MLflow run that this one is a child of.
        beside: Text files that the folder has from the beginning, by their names.

    Raises:
        CannotStart: Something is wrong that can be known before; nothing was written.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came; the run can be resumed.
    """
    given = None
    if data is not None:
        with starting():
            recipe, given = with_data(recipe, data)
    with session(as_launched(recipe), given) as running:
        return running.begin(folder, tags or {}, parent_run_id, beside or {})


def resume(
    run_folder: str | Path,
    *,
    data: Any = None,
    accept: Sequence[str] = (),
    from_start: bool = False,
) -> RunResult:
    """Go on with a run that stopped, to the same numbers; a finished run gives its results again.

    Args:
        run_folder: The run's folder or name.
        data: What :func:`run` was given, where it was.
        accept: What may differ from the run's start, of ``recipe``, ``code``, ``plugins``,
            ``packages`` and ``accelerator``; it is recorded.
        from_start: Begin again, whatever was done.

    Raises:
        CannotStart: There is no such run, another process works in it, something that decides its
            numbers has changed, or a file of it is missing that cannot be made again.
        Interrupted: Ctrl-C, SIGTERM or SIGHUP came again.
    """
    for name in accept:
        if name not in ACCEPTABLE:
            raise CannotStart(
                f"Expected {', '.join(ACCEPTABLE)} of argument `accept`, but got {name!r}."
            )
    with starting():
        folder = find_run(run_folder)
        recipe = as_launched(recipe_of(folder))
        given = data_of_run(recipe, data, folder)
    with session(recipe, given) as running:
        return running.go_on(folder, accept, from_start)


def dry_run(recipe: Recipe) -> dict[str, float]:
    """Make everything and one training step, and keep nothing; the numbers of the step.

    Args:
        recipe: What to try.

    Raises:
        CannotStart: Something is wrong with the recipe, the data or the environment.
    """
    with session(as_launched(recipe)) as running, starting():
        return running.prepare().trainer.probe()
