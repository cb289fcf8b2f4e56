"""Is an epoch slower than before? Two checkouts train the same recipe in turn.

    python -m tests.checkouts.times OLD NEW supcon/digits stages.train.epochs=4

Recipes are named as for ``tests.checkouts.compare``. Each round trains by both checkouts, one after
the other, the first of them in turn; the first epoch of each run is left out, since it warms up.
Printed are the median and the quartiles of an epoch's seconds, and the ratio of the medians. Only
the ratio means something on a machine that does other things beside.
"""

from __future__ import annotations

import json
import platform
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import torch

from tests.checkouts.compare import FOLDER, Setting, train, variants


def epoch_seconds(run: Path) -> list[float]:
    """Seconds of each epoch of a run but the first."""
    found = []
    for line in (run / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event.get("key") == "time/epoch_seconds":
            found.append(float(event["value"]))
    return found[1:]


@click.command()
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE... [KEY=VALUE...]")
@click.option("--rounds", default=3, help="Runs of each checkout.")
@click.option("--workers", default=0, help="Data workers.")
def main(old: Path, new: Path, recipes: Sequence[str], rounds: int, workers: int) -> None:
    """Train recipes with the checkouts OLD and NEW in turn, and compare the time of an epoch."""
    overrides = tuple(text for text in recipes if "=" in text)
    click.echo(f"{platform.processor() or platform.machine()}, torch {torch.__version__}")
    click.echo("| recipe | old: median (quartiles) s | new: median (quartiles) s | new / old |")
    click.echo("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        named = [name for text in recipes if "=" not in text for name in variants(text)]
        for number, name in enumerate(named):
            checkouts = {"old": old, "new": new}
            seconds: dict[str, list[float]] = {"old": [], "new": []}
            for turn in range(rounds):
                for side in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                    place = Path(temporary) / f"{number}-{turn}-{side}"
                    train(checkouts[side], Setting(name, overrides, workers), place)
                    seconds[side] += epoch_seconds(place / "run")
            cells = [_told(seconds[side]) for side in ("old", "new")]
            ratio = statistics.median(seconds["new"]) / statistics.median(seconds["old"])
            click.echo(f"| {name} | {' | '.join(cells)} | {ratio:.2f} |")


def _told(seconds: list[float]) -> str:
    low, middle, high = statistics.quantiles(seconds, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f}), {len(seconds)} epochs"


if __name__ == "__main__":
    main()
