"""A last batch of one row joins the batch before; a batch size of one is refused at the start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from supcon_ext.experiment import run
from supcon_ext.experiment.runner import dry_run
from supcon_ext.feed.base import EpochPlan
from supcon_ext.feed.batches import EpochBatches
from supcon_ext.recipe import parse_recipe
from supcon_ext.tracking.results import read_metrics
from tests.experiment.members import CLASSES, EACH, recipe, stage

SAMPLES = CLASSES * EACH


def one_view(batch_size: int, **changes: Any) -> dict[str, Any]:
    one = stage(0, "label", "uniform")
    one["objective"] = ["cross_entropy"]
    views = {"policy": "none", "count": 1}
    return recipe(
        [{**one, "batch_size": batch_size, "drop_last": False, "views": views, **changes}]
    )


def sizes(count: int, batch_size: int, world: int = 1, drop_last: bool = False) -> list[list[int]]:
    """Rows of each process in each batch."""
    found = []
    for rank in range(world):
        batches = EpochBatches(
            SAMPLES, batch_size, seed=0, rank=rank, world=world, drop_last=drop_last
        )
        batches.set_epoch(EpochPlan(0, order=np.arange(count) % SAMPLES))
        found.append([len(batch) for batch in batches])
        assert len(batches) == len(found[-1])
    return [list(rows) for rows in zip(*found, strict=True)]


@pytest.mark.parametrize(
    ("count", "batch_size", "world", "expected"),
    [
        (17, 8, 1, [[8], [9]]),
        (18, 8, 1, [[8], [8], [2]]),
        (16, 8, 1, [[8], [8]]),
        (9, 8, 1, [[9]]),
        (2, 8, 1, [[2]]),
        (17, 8, 2, [[4, 4], [5, 4]]),
        (19, 8, 2, [[4, 4], [6, 5]]),
        (20, 8, 2, [[4, 4], [4, 4], [2, 2]]),
        (21, 8, 3, [[3, 3, 2], [5, 4, 4]]),
    ],
)
def test_every_process_has_two_rows_in_every_batch(
    count: int, batch_size: int, world: int, expected: list[list[int]]
) -> None:
    assert sizes(count, batch_size, world) == expected


@pytest.mark.parametrize("count", range(6, 90))
@pytest.mark.parametrize("world", [1, 2, 3])
def test_no_sample_is_lost_whatever_an_epoch_s_length(count: int, world: int) -> None:
    """Lengths vary with a sampler that visits trusted samples alone."""
    batches = sizes(count, 16, world)
    assert sum(map(sum, batches)) == count
    assert min(map(min, batches)) >= 2
    assert max(map(sum, batches)) < 16 + 2 * world


@pytest.mark.parametrize("batch_size", [SAMPLES - 1, (SAMPLES - 1) // 2 + 1, 13])
def test_one_view_and_a_last_batch_of_one_trains(batch_size: int, tmp_path: Any) -> None:
    run(parse_recipe(one_view(batch_size)), folder=tmp_path / "run")
    (end, _), *_ = read_metrics(tmp_path / "run")["train/loss"]
    full, rest = divmod(SAMPLES, batch_size)
    assert end == full + (rest > 1)


def test_a_batch_of_one_with_one_view_is_refused_before_anything() -> None:
    with pytest.raises(ValueError, match=r"`stages.s0.batch_size` of at least 2: batch normalis"):
        dry_run(parse_recipe(one_view(1)))


def test_a_batch_of_one_with_two_views_trains() -> None:
    two = one_view(1, views={"policy": "none", "count": 2})
    assert dry_run(parse_recipe(two))["loss"] > 0


def test_without_batch_normalisation_one_row_is_enough() -> None:
    made = one_view(1)
    made["plugins"] = [*made["plugins"], "tests.experiment.parallel"]
    made["model"] = {
        "backbone": "pixels",
        "projector": {"hidden": 8, "dim": 8, "batch_norm": False},
    }
    assert dry_run(parse_recipe(made))["loss"] > 0
