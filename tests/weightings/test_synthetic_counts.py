"""BCL with synthetic rows: they count by their quality, against the formula written out."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from supcon_ext import Rows, Source, SupConLoss
from supcon_ext.selectors.base import selector
from supcon_ext.weightings.base import weighting

TAU = 0.5


def rows():
    generator = torch.Generator().manual_seed(3)
    z = functional.normalize(torch.randn(9, 5, generator=generator, dtype=torch.float64), dim=1)
    source = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1]).to(torch.int8)
    quality = torch.tensor([1, 1, 1, 1, 1, 0.75, 0.25, 1.0, 0.5])
    made = Rows.of(z, torch.tensor([0, 0, 0, 0, 1, 1, 1, 0, 2]), columns={"quality": quality})
    return replace(made, source=source, trust=torch.ones(9))


def by_hand(rows):
    """D_i = sum_j (n_j - q_i [j = y_i])^-1 sum_{k in j, k != i} q_k exp(s_ik), n_j = sum q_k."""
    quality, label = rows.columns["quality"].double(), rows.label
    s = rows.z @ rows.z.T / TAU
    losses = []
    for i in range(len(rows)):
        others = torch.arange(len(rows)) != i
        bottom = torch.zeros((), dtype=torch.float64)
        for j in range(3):
            members = others & (label == j)
            if members.any():
                bottom = bottom + (quality * s[i].exp())[members].sum() / quality[members].sum()
        positive = others & (label == label[i])
        if positive.any():
            target = quality[positive] / quality[positive].sum()
            losses.append(bottom.log() - (target * s[i][positive]).sum())
    return torch.stack(losses).mean()


def test_counts_by_quality() -> None:
    made = weighting.make("balanced", prototypes=False)
    rule = selector.make("synthetic_positives")
    found = SupConLoss(TAU, selector=rule, weighting=made)(rows())
    assert torch.allclose(found, by_hand(rows()), atol=1e-6)


def test_quality_1_is_a_real_row() -> None:
    """Nothing tells a synthetic row of quality 1 from a real one, to the last bit."""
    made, good = weighting.make("balanced", prototypes=False), rows()
    good = replace(good, columns={"quality": torch.ones(9)})
    plain = replace(good, columns={}, source=torch.zeros(9, dtype=torch.int8))
    loss = SupConLoss(TAU, weighting=made)
    assert torch.equal(loss(good), loss(plain))


@pytest.mark.parametrize("quality", [1e-6, 1e-3])
def test_little_quality_is_little_weight(quality) -> None:
    """As quality goes to 0 the loss of the others goes to that without the row."""
    base = rows()
    last = torch.arange(9) == 8
    low = torch.where(last, torch.tensor(quality), torch.ones(9))
    made = weighting.make("balanced", prototypes=False)
    loss = SupConLoss(TAU, weighting=made, reduction="none", selector=selector.make("label"))
    base = replace(base, label=base.label.clamp(max=1))
    found = loss(replace(base, columns={"quality": low}))[:8]
    without = base.rows(slice(0, 8))
    expected = loss(replace(without, columns={"quality": torch.ones(8)}))
    # `label` counts it as a full positive: only anchors of the other class are compared
    other = base.label[:8] != base.label[8]
    assert torch.allclose(found[other], expected[other], atol=10 * quality)
    assert int(Source.SYNTHETIC) == 1
