"""SBCL: sub-classes of even size, both losses in loops, state, trust."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import SupConLoss
from supcon_ext.objectives.base import TrainingFacts
from supcon_ext.objectives.sub_class import SubClassContrastive, class_spread, sub_classes
from supcon_ext.selectors.base import SampleBank
from tests.objectives.test_terms import batch

FACTS = TrainingFacts(samples=6, classes=3, counts=torch.tensor([3, 2, 0]), dim=4)


def test_large_classes_are_split_to_the_size_of_small_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.tensor([0] * 60 + [1] * 12 + [2] * 25 + [-1] * 3)
    found = sub_classes(torch.randn(100, 4, generator=generator), label, 4, 10, 0)
    numbers = [len(found[label == c].unique()) for c in range(3)]
    assert numbers == [5, 1, 2]  # 60 // 12, 12 // 12, 25 // 12
    assert found[-3:].tolist() == [-1] * 3
    assert len(found[label >= 0].unique()) == sum(numbers)  # numbered over all classes


def test_well_parted_clusters_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    place = torch.arange(40) % 2
    z = functional.one_hot(place, 4) + 0.01 * torch.randn(40, 4, generator=generator)
    found = sub_classes(z, torch.zeros(40).long(), 1, 20, 0)
    assert all(len(found[place == p].unique()) == 1 for p in (0, 1))


def test_spread_by_hand() -> None:
    z = torch.tensor([[1.0, 0], [-1, 0], [2, 0], [-2, 0], [0, 0]])
    label = torch.tensor([0, 0, 1, 1, -1])
    phi = torch.tensor([1.0, 2.0])  # both classes have log(12) below
    clipped = phi.clamp(1.2, 1.8)
    expected = torch.cat([clipped / 1.5, torch.ones(1)])
    torch.testing.assert_close(class_spread(z, label, 3), expected)


def test_before_the_first_clustering_it_is_supcon() -> None:
    term = SubClassContrastive(temperature=0.3)
    term.setup(FACTS)
    made = batch()
    z = made.outputs().z.transpose(0, 1)
    torch.testing.assert_close(term(made).loss, SupConLoss(0.3)(z, made.label))


def test_both_losses_in_loops() -> None:
    term = SubClassContrastive(temperature=0.5, beta=0.25)
    term.setup(FACTS)
    made = batch()
    term.sub_class = torch.tensor([0, 1, 2, 2, 0, -1])  # samples 0 and 4: one sub-class of class 0
    term.temperature_C = torch.tensor([0.4, 0.6, 0.5])
    z = made.outputs().z.flatten(0, 1)
    index, label = made.index.repeat(3), made.label.repeat(3)
    sub = term.sub_class[index]
    count = len(z)
    first, second = [], []
    for i in range(count):
        others = [k for k in range(count) if k != i]
        own = [k for k in others if index[k] == index[i]]
        mates = [k for k in others if sub[k] == sub[i] and sub[i] >= 0]
        positives = sorted({*own, *mates})
        s = z[i] @ z.T / 0.5
        first.append(s[others].logsumexp(0) - s[positives].mean())
        tau = float(term.temperature_C[label[i]]) if label[i] >= 0 else 0.5
        s = z[i] @ z.T / tau
        across = [k for k in others if label[k] == label[i] >= 0 and sub[k] != sub[i]]
        kept = [k for k in others if k not in mates or k in own]
        positives = sorted({*own, *across})
        second.append(s[kept].logsumexp(0) - s[positives].mean())
    expected = torch.stack(first).mean() + 0.25 * torch.stack(second).mean()
    torch.testing.assert_close(term(made).loss, expected)


def test_clusters_are_made_when_it_is_time_and_kept_in_the_state() -> None:
    term = SubClassContrastive(warmup=2, recluster_every=3, size=1)
    term.setup(FACTS)
    label = torch.tensor([0, 0, 1, 1, 0, 0])
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    bank = SampleBank(torch.arange(6), label, 3, z=z)
    term.refresh(bank, 1)
    assert (term.sub_class == -1).all()
    term.refresh(bank, 2)
    first = term.sub_class.clone()
    assert (first >= 0).all()
    term.refresh(SampleBank(torch.arange(6), label, 3, z=z.flip(0)), 4)
    assert torch.equal(term.sub_class, first)
    other = SubClassContrastive(warmup=2, recluster_every=3, size=1)
    other.setup(FACTS)
    other.load_state_dict(term.state_dict())
    assert torch.equal(other.sub_class, first)
    assert other(batch()).loss.item() == pytest.approx(term(batch()).loss.item())
