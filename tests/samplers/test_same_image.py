"""A sample that comes twice in a batch is one sample, with more views."""

import numpy as np
import torch
from torch.nn import functional

from supcon_ext.feed.base import EpochPlan, GroupPlan
from supcon_ext.feed.workers import WorkerFeed
from supcon_ext.losses.rows import PairTile, PairWeights, Rows, WeightPlan
from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.simaugment import simaugment
from supcon_ext.samplers.class_balanced import ClassBalanced
from supcon_ext.selectors.base import SampleSelector, Selection
from supcon_ext.selectors.label import Label
from tests.data_tools.toy import labelled
from tests.samplers.toy import data

# Sample 0 comes twice, sample 1 shares its label, sample 2 does not; two views each.
INDEX = torch.tensor([0, 0, 1, 2] * 2)
LABEL = torch.tensor([5, 5, 5, 7] * 2)


def batch(label=LABEL, trust=None) -> Rows:
    z = functional.normalize(torch.randn(8, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    return Rows.of(z, label, index=INDEX, trust=trust)


def tile(views: Rows) -> PairTile:
    return PairTile(views, views, views.z @ views.z.T)


class OwnViews(PairWeights):
    """A weighting that scales the targets of an anchor's own views."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def plan(self, step, anchors, contrasts):
        return WeightPlan(target_own=torch.full((len(anchors),), self.factor))


class Everybody(SampleSelector):
    def select(self, bank, epoch):
        return Selection.of(bank.label, torch.ones(len(bank)))


def test_the_loader_gives_repeats_their_index_and_views_of_their_own() -> None:
    label = np.repeat([0, 1], [6, 1])
    context = ViewContext(12, 1, True, (0.5,), (0.25,))
    feed = WorkerFeed(labelled(label, 2, size=12)).stage(
        [GroupPlan("views", simaugment(context), 2)], 7, views_seed=0, order_seed=0, drop_last=True
    )
    order = ClassBalanced().order(data((6, 1), batch_size=7))
    [batch] = feed.epoch(EpochPlan(0, order=order))
    group = batch["views"]
    assert group.sample.tolist() == order.tolist() * 2
    repeats = group.x[group.sample == 6]
    assert len(repeats) in (6, 8)
    assert len({view.numpy().tobytes() for view in repeats}) == len(repeats)


def test_the_label_rule_takes_repeats_for_views_of_the_sample() -> None:
    """Positives by label are those of other samples; a repeat is one already without a label."""
    known = tile(batch())
    own = known.same("index") & ~known.itself()
    other = (Label().targets(known) > 0) & ~known.same("index")
    assert own.sum(1).tolist() == [3, 3, 1, 1] * 2
    assert other.sum(1).tolist() == [2, 2, 4, 0] * 2
    unknown = tile(batch(torch.full((8,), -1)))
    assert (Label().targets(unknown) > 0).equal(unknown.same("index"))


def test_repeats_do_not_count_against_a_cap() -> None:
    """With a cap of 1, each keeps its own views and one positive of another sample."""
    for cap, positives in ((0, [3, 3, 1, 1]), (1, [4, 4, 2, 1]), (None, [5, 5, 5, 1])):
        loss = SupConLoss(selector=Label(), positives_cap=cap, surplus="negative")
        assert loss.details(batch()).positives.tolist() == positives * 2


def test_a_weighting_of_own_views_holds_for_repeats() -> None:
    """What is left without own views are the positives of other samples."""
    loss = SupConLoss(selector=Label(), weighting=OwnViews(0.0))
    assert loss.details(batch()).positives.tolist() == [2, 2, 4, 0] * 2


def test_repeats_of_a_doubted_sample_stay_positives_of_each_other() -> None:
    doubted = torch.tensor([0.0, 0.0, 1.0, 1.0] * 2)
    loss = SupConLoss(selector=Everybody())
    assert loss.details(batch(trust=doubted)).positives.tolist() == [3, 3, 1, 1] * 2
