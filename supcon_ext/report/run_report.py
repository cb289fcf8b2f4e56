"""The page of a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from supcon_ext.experiment.folder import RECIPE
from supcon_ext.experiment.kept_warnings import kept_warnings
from supcon_ext.experiment.model_files import read_model
from supcon_ext.recipe.load import load_recipe
from supcon_ext.report.belief import NOT_RECORDED, belief, read_belief, thin
from supcon_ext.report.confusion import confusion
from supcon_ext.report.curves import curves
from supcon_ext.report.embedding_map import embedding_map
from supcon_ext.report.errors import errors
from supcon_ext.report.measures import measures
from supcon_ext.report.origin import origin
from supcon_ext.report.page import PageSection, page, text
from supcon_ext.report.seen import look
from supcon_ext.tracking.journal import JOURNAL_NAME
from supcon_ext.tracking.results import RESULTS_NAME, read_results
from supcon_ext.tracking.run_times import run_times

NEEDED = ("seed", "fingerprint", "recipe_hash", "epochs", "last")


def run_page(folder: Path, *, device: str, tell: Callable[[str], None]) -> str:
    """The page of a finished run.

    Args:
        folder: The run's.
        device: What its encoder is computed on.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: The run is not finished, is of an older version, or a file is damaged.
        OSError: A file cannot be read.
    """
    results = read_results(folder)
    if missing := [key for key in NEEDED if key not in results]:
        raise ValueError(
            f"Expected what a run writes in {folder / RESULTS_NAME}, but got no `{missing[0]}`: it "
            f"is damaged, or of an older version. Try: supcon resume {folder}"
        )
    model = read_model(folder)
    recipe = load_recipe(folder / RECIPE)
    classes = model.classes
    believed = read_belief(folder)
    # what can be damaged is read before what takes long
    summary = _summary(folder, results["seed"], recipe.description)
    end, drawn = origin(folder, results), curves(folder, int(sum(model.statistics["count"])))
    seen = look(folder, recipe, model, str(results["fingerprint"]), device=device, tell=tell)
    warned = [*kept_warnings(folder), *filter(None, [thin(believed or [], classes)])]
    if believed is None:
        tell(f"{NOT_RECORDED}.")
    pictured: list[PageSection] = []
    if isinstance(seen, str):
        tell(seen)
        warned.append(seen)
    else:
        pictured = [confusion(seen, classes), embedding_map(seen, classes), errors(seen, classes)]
    listed = "".join(f"<li>{text(line)}</li>" for line in warned)
    sections = [
        measures(results),
        PageSection("Warnings", f'<ul class="warning">{listed}</ul>' if listed else ""),
        drawn,
        belief(believed, classes),
        *pictured,
        *end,
    ]
    return page(recipe.name, summary, sections)


def _summary(folder: Path, seed: int, description: str) -> str:
    times = run_times(folder / JOURNAL_NAME, running=False)
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(times.began))
    told = f"<p>{text(description)}</p>" if description else ""
    return (
        f"{told}<p>Run {text(folder.resolve().name)}, seed {seed}, begun {began}, worked "
        f"{times.worked:,.0f} s.</p>"
    )
