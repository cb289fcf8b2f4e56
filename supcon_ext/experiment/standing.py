"""Where a run stands: what its folder holds, what is damaged, and what it can go on from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supcon_ext.experiment.cannot_start import CannotStart
from supcon_ext.experiment.fingerprint import Record
from supcon_ext.experiment.folder import FINGERPRINT, RECIPE
from supcon_ext.recipe.load import load_recipe, parse_recipe
from supcon_ext.recipe.problems import RecipeError
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking.events import Tag
from supcon_ext.tracking.journal import JOURNAL_NAME, read
from supcon_ext.tracking.mirror_state import STATE_NAME, MirrorState
from supcon_ext.training.checkpoint import LAST, PREVIOUS, load_checkpoint
from supcon_ext.training.loop import CHECKPOINT

CHECKPOINTS = "checkpoints"


@dataclass
class Standing:
    """What a run goes on from. Nothing in the folder is changed to find out.

    Attributes:
        record: What the run was started with; None where it was killed before that was written.
        mirror: What it knows of MLflow, or None.
        state: The checkpoint to go on from; None begins at the beginning.
        path: Its file.
        notes: What is damaged and made good, a line each.
    """

    record: Record | None = None
    mirror: MirrorState | None = None
    state: dict[str, Any] | None = None
    path: Path | None = None
    notes: list[str] = field(default_factory=list)


def recipe_of(folder: Path) -> Recipe:
    """The recipe of a run, from the fingerprint where ``recipe.yaml`` is missing or empty.

    Raises:
        RecipeError: ``recipe.yaml`` says something wrong, and there is no fingerprint.
        CannotStart: It does, and removing it would help.
    """
    path = folder / RECIPE
    try:
        record = Record.of_json((folder / FINGERPRINT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return load_recipe(path)
    if not path.is_file() or not path.read_bytes().strip():
        return parse_recipe(record.fingerprint.recipe)
    try:
        return load_recipe(path)
    except RecipeError as error:
        raise CannotStart(
            f"{error}\nTry: undo the change, or remove {path}, which is then made again as the "
            "run was started"
        ) from error


def read_standing(folder: Path, from_start: bool = False, finished: bool = False) -> Standing:
    """Look at everything that a run goes on from.

    Args:
        folder: The run folder, owned by this process.
        from_start: Begin at the beginning, whatever checkpoints there are.
        finished: No checkpoint is needed any more.

    Raises:
        CannotStart: There were checkpoints, and none is left that can be read; or the files are of
            several runs.
    """
    found = Standing()
    problems: dict[str, str] = {}
    ids: dict[str, str] = {}
    places = {name: folder / CHECKPOINTS / name for name in (LAST, PREVIOUS)}
    states: dict[str, dict[str, Any]] = {}
    if not from_start:
        for name, path in places.items():
            try:
                states[name] = load_checkpoint(path)
                record = Record.of_json(states[name]["run"])
                ids[name] = record.journal_id
                found.record = found.record or record
            except (ValueError, OSError, KeyError) as error:
                states.pop(name, None)
                problems[name] = "missing" if not path.exists() else f"damaged ({error})"
    written: Record | None = None
    try:
        written = Record.of_json((folder / FINGERPRINT).read_text(encoding="utf-8"))
        ids[FINGERPRINT] = written.journal_id
    except (OSError, ValueError):
        problems[FINGERPRINT] = _how(folder / FINGERPRINT)
    try:
        found.mirror = MirrorState.load(folder)
        ids[STATE_NAME] = found.mirror.journal_id
    except ValueError:
        problems[STATE_NAME] = _how(folder / STATE_NAME)
    own = _majority(folder, ids)
    for name in [name for name, of in ids.items() if of != own]:
        problems[name] = "of another run"
        states.pop(name, None)
    if found.mirror is not None and found.mirror.journal_id != own:
        found.mirror = None
    if written is not None and written.journal_id == own:
        found.record = written
    elif found.record is not None and found.record.journal_id != own:
        found.record = next((Record.of_json(states[name]["run"]) for name in states), None)
    for name in (FINGERPRINT, STATE_NAME):
        if name in problems and found.record is not None:
            found.notes.append(f"{folder / name} is {problems[name]}: made again")
    if states:
        name, found.state = next(iter(states.items()))
        found.path = places[name]
        if name == PREVIOUS:
            at = found.state["position"]
            found.notes.append(
                f"{places[LAST]} is {problems[LAST]}: going on from the one before, {PREVIOUS} "
                f"(epoch {at['epochs_done']}, step {at['global_step']})"
            )
    elif not (from_start or finished):
        _refuse_to_forget(folder, places, problems)
        found.notes.append(f"{folder} was stopped before its first checkpoint: beginning again")
    return found


def _how(path: Path) -> str:
    return "damaged" if path.exists() else "missing"


def _majority(folder: Path, ids: dict[str, str]) -> str | None:
    """Which run the folder is of: what most of its files say."""
    counts = Counter(ids.values()).most_common()
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        files = "; ".join(
            ", ".join(name for name, of in ids.items() if of == one) for one, _ in counts
        )
        raise CannotStart(
            f"Expected the files of one run in {folder}, but they are of {len(counts)} runs: "
            f"{files}. Try: put back the run's own, or remove the others"
        )
    return counts[0][0] if counts else None


def _refuse_to_forget(folder: Path, places: dict[str, Path], problems: dict[str, str]) -> None:
    """See that no work was lost where there is no checkpoint to go on from."""
    told = _last_checkpoint(folder)
    if told is None and not any(path.exists() for path in places.values()):
        return
    files = "; ".join(f"{path} is {problems[name]}" for name, path in places.items())
    done = "" if told is None else f", though {JOURNAL_NAME} tells of one ({told})"
    raise CannotStart(
        f"Expected a checkpoint to go on from, but there is none{done}: {files}. "
        f"Try: put one back, or supcon resume {folder} --from-start, which begins again at epoch 1"
    )


def _last_checkpoint(folder: Path) -> str | None:
    """What the journal says of the last checkpoint, as far as it can be read."""
    told = None
    try:
        for event in read(folder / JOURNAL_NAME):
            if isinstance(event, Tag) and event.key == CHECKPOINT:
                told = event.value
    except (OSError, ValueError):
        pass
    return told
