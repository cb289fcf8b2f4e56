"""Do two checkouts give the same numbers? For everyone who changes what lies under a run.

    python -m tests.checkouts.compare OLD NEW supcon/digits bcl/digits stages.train.epochs=2

Each recipe (a file, the name of one that ships, or a function of each checkout's, as
``tests.experiment.members:compared:0:6``) is trained by both checkouts; every step's loss,
gradients and weights are compared to the last bit, then the results. What is printed is the first
step that differs, or that none does. Functions are not shown members that one checkout alone has.
``--workers 0,2`` repeats it with so many data workers, ``--processes 1,2`` in so many processes,
``--stop 5`` stops each run after so many steps and goes on in a new process. Of sweeps, every
variant is trained with its first seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import click

TRACE = Path(__file__).with_name("trace.py")
INTERRUPTED = (130, 143)


@dataclass(frozen=True)
class Setting:
    """How a recipe is trained.

    Attributes:
        recipe: As ``trace.py`` takes it.
        overrides: Keys of the recipe.
        workers: Data workers.
        processes: How many processes train.
        stop: After so many steps the run is stopped, and gone on with in a new process; 0: never.
    """

    recipe: str
    overrides: tuple[str, ...] = ()
    workers: int = 0
    processes: int = 1
    stop: int = 0


@dataclass(frozen=True)
class Difference:
    """The first place in which two runs differ.

    Attributes:
        where: The step, or the name of the number.
        what: What differs there, and how.
    """

    where: str
    what: str


def environment_of(checkout: Path) -> dict[str, str]:
    """Environment variables of a process that uses a checkout's package."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }


def members_of(checkout: Path) -> set[tuple[str, str]]:
    """Family and name of each member that a checkout has."""
    command = [sys.executable, "-m", "supcon_ext", "components", "--json"]
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            command, cwd=elsewhere, env=environment_of(checkout), stdout=subprocess.PIPE, check=True
        )
    return {(part["family"], part["name"]) for part in json.loads(done.stdout)}


def in_one_alone(old: Path, new: Path) -> dict[str, list[str]]:
    """Members that only one of two checkouts has, by family."""
    found: dict[str, list[str]] = {}
    for family, name in sorted(members_of(old) ^ members_of(new)):
        found.setdefault(family, []).append(name)
    return found


def train(
    checkout: Path,
    setting: Setting,
    place: Path,
    left_out: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Train a recipe with a checkout's package; steps go to ``place/steps``, the run beside it.

    Args:
        checkout: Where the package is.
        setting: What is trained, and how.
        place: A new folder.
        left_out: Members of families that a function which gives a recipe is not shown.

    Raises:
        RuntimeError: It failed; the message is what it printed.
    """
    place.mkdir(parents=True)
    keys = [*setting.overrides, "tracking.uri=none", f"compute.workers={setting.workers}"]
    if setting.processes > 1:
        keys += [f"compute.devices={setting.processes}", "compute.accelerator=cpu"]
    environment = environment_of(checkout) | {"LEFT_OUT": json.dumps(left_out or {})}
    for stop in (setting.stop, 0) if setting.stop else (0,):
        command = [sys.executable, str(TRACE), "steps", str(stop), "run", setting.recipe, *keys]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        stopped = stop > 0 and done.returncode in INTERRUPTED
        if done.returncode != 0 and not stopped:
            raise RuntimeError(f"{checkout}, {setting}:\n{done.stdout}\n{done.stderr}")
        if not stopped:
            return


def steps_of(place: Path) -> dict[str, list[dict[str, Any]]]:
    """Every process's steps, by the name of its file."""
    return {
        file.name: [json.loads(line) for line in file.read_text().splitlines()]
        for file in sorted(place.glob("steps*"))
    }


def first_difference(old: Path, new: Path) -> Difference | None:
    """The first step in which two trained recipes differ, else the first of their results."""
    ours, theirs = steps_of(new), steps_of(old)
    if ours.keys() != theirs.keys():
        return Difference("processes", f"{len(theirs)} and {len(ours)}")
    for before, after in zip_longest(
        _in_order(theirs), _in_order(ours), fillvalue=("the end", "", {})
    ):
        if before != after:
            where = before[0] if before[0] != "the end" else after[0]
            parts = [k for k in before[2] if before[2].get(k) != after[2].get(k)]
            shown = ", ".join(f"{part} {before[2][part]} -> {after[2][part]}" for part in parts)
            return Difference(where, shown if parts else f"{before[0]} -> {after[0]}")
    results = [json.loads((place / "run" / "results.json").read_text()) for place in (old, new)]
    flat = [dict(_leaves(each)) for each in results]
    for key in flat[0].keys() & flat[1].keys():
        if flat[0][key] != flat[1][key] and not key.startswith(("seconds", "recipe_hash")):
            return Difference(f"results: {key}", f"{flat[0][key]} -> {flat[1][key]}")
    return None


def _in_order(steps: Mapping[str, list[dict[str, Any]]]) -> Iterator[tuple[str, str, Any]]:
    """Steps of all processes by their number: (which, process, what)."""
    longest = max(map(len, steps.values()), default=0)
    for number in range(longest):
        for name, lines in steps.items():
            if number < len(lines):
                step = dict(lines[number])
                yield f"step {step.pop('step')}", name, step


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def variants(recipe: str) -> list[str]:
    """Each recipe to train: the recipe itself, or a sweep's variants with the first seed."""
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.sweep import load_sweep

    if ":" in recipe or not is_sweep(find_recipe(recipe)):
        return [str(Path(recipe).resolve()) if Path(recipe).is_file() else recipe]
    children = load_sweep(find_recipe(recipe)).children
    first = [child for child in children if child.seed == children[0].seed]
    return [f"{recipe}::{child.name}" for child in first]


def _numbers(context: click.Context, option: click.Parameter, text: str) -> list[int]:
    if not all(part.isdecimal() for part in text.split(",")):
        raise click.BadParameter(f"Expected numbers such as 0,2, but got {text!r}")
    return [int(part) for part in text.split(",")]


FOLDER = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)


@click.command()
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY=VALUE...]")
@click.option("--workers", default="0", callback=_numbers, help="Numbers of data workers.")
@click.option("--processes", default="1", callback=_numbers, help="Numbers of processes.")
@click.option("--stop", default="0", callback=_numbers, help="Steps after which a run is stopped.")
def main(
    old: Path,
    new: Path,
    recipes: Sequence[str],
    workers: list[int],
    processes: list[int],
    stop: list[int],
) -> None:
    """Train recipes with the checkouts OLD and NEW, and name the first step that differs."""
    overrides = tuple(text for text in recipes if "=" in text)
    failed = False
    functions = any("=" not in text and ":" in text and "::" not in text for text in recipes)
    left_out = in_one_alone(old, new) if functions else {}
    click.echo("| recipe | workers | processes | stopped after | steps | first difference |")
    click.echo("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = [
            Setting(name, overrides, w, p, s)
            for text in recipes
            if "=" not in text
            for name in variants(text)
            for w in workers
            for p in processes
            for s in stop
        ]
        for number, setting in enumerate(settings):
            places = [folder / f"{number}" / side for side in ("old", "new")]
            for checkout, place in zip((old, new), places, strict=True):
                train(checkout, setting, place, left_out)
            found = first_difference(*places)
            failed = failed or found is not None
            counted = len(next(iter(steps_of(places[1]).values())))
            cells = [
                setting.recipe,
                setting.workers,
                setting.processes,
                setting.stop or "-",
                counted,
            ]
            told = "none" if found is None else f"{found.where}: {found.what}"
            click.echo(f"| {' | '.join(map(str, cells))} | {told} |")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
