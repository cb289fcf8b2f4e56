"""SBCL: sub-classes of even size, both losses in loops, state, trust."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import SupConLoss
from supcon_ext.objectives.base import TrainingFacts
from supcon_ext.objectives.sub_class import SubClassContrastive, class_spread, sub_classes
from supcon_ext.selectors.base import SampleBank
from tests.objectives.seeded import step, unit
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
    z = made.of_views(made.outputs().z).transpose(0, 1)
    torch.testing.assert_close(term(made).loss, SupConLoss(0.3)(z, made.label))


def test_both_losses_in_loops() -> None:
    term = SubClassContrastive(temperature=0.5, beta=0.25)
    term.setup(FACTS)
    made = batch()
    term.sub_class = torch.tensor([0, 1, 2, 2, 0, -1])  # samples 0 and 4: one sub-class of class 0
    term.clustered = made.beliefs.label
    term.temperature_C = torch.tensor([0.4, 0.6, 0.5])
    z = made.outputs().z
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


def ready(**changes: Any) -> SubClassContrastive:
    term = SubClassContrastive(**{"warmup": 2, "recluster_every": 3, "size": 1, **changes})
    term.setup(FACTS)
    return term


def bank(label: list[int]) -> SampleBank:
    z = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return SampleBank(torch.arange(6), torch.tensor(label), 3, z=z)


def test_clusters_are_made_when_it_is_time_and_kept_in_the_state() -> None:
    label = torch.tensor([0, 0, 1, 1, 0, 0])  # class 0 has two sub-classes

    def epoch(term: SubClassContrastive, number: int, place: list[int]) -> None:
        z = functional.one_hot(torch.tensor(place), 4).float()
        term.refresh(SampleBank(torch.arange(6), label, 3, z=z), number)
        made = batch()
        made.beliefs.label = label
        made.label = label[made.index]
        term(made)

    before, after = [0, 0, 2, 2, 1, 1], [0, 1, 2, 2, 0, 1]
    early = ready(warmup=3)
    epoch(early, 0, before)  # a multiple of the period, and before the first time
    assert (early.sub_class == -1).all()
    term = ready()
    epoch(term, 1, before)
    assert (term.sub_class == -1).all()
    epoch(term, 2, before)
    first = term.sub_class.clone()
    assert first[0] == first[1] != first[4] == first[5] and first[2] == first[3] >= 0
    for number in (3, 4):
        epoch(term, number, after)
        assert torch.equal(term.sub_class, first)
    other = ready()
    other.load_state_dict(term.state_dict())
    assert torch.equal(other.sub_class, first)
    assert other(batch()).loss.item() == pytest.approx(term(batch()).loss.item())
    epoch(term, 5, after)
    assert term.sub_class[0] == term.sub_class[4] != term.sub_class[1] == term.sub_class[5]


def test_working_labels_are_clustered_and_not_given_ones() -> None:
    term, made = ready(warmup=0), batch()  # working labels 0 0 1 1 0 -1
    term.refresh(bank([0, 1, 0, 1, 2, 2]), 0)
    term(made)
    for sub in term.sub_class.unique():
        if sub >= 0:
            assert len(made.beliefs.label[term.sub_class == sub].unique()) == 1
    assert torch.equal(term.clustered, made.beliefs.label)


def test_untrusted_samples_are_not_clustered_also_after_resuming() -> None:
    def step(term: SubClassContrastive) -> None:
        made = batch()
        made.beliefs.trust = torch.tensor([1.0, 0, 1, 1, 1, 1])
        made.trust = made.beliefs.trust[made.index]
        term(made)

    term = ready(warmup=1)
    step(term)
    resumed = ready(warmup=1)
    resumed.load_state_dict(term.state_dict())
    for one in (term, resumed):
        one.refresh(bank([0, 0, 1, 1, 0, 0]), 1)
        step(one)
    assert term.sub_class[1] == -1 and (term.sub_class[[0, 2, 3, 4]] >= 0).all()
    assert torch.equal(term.sub_class, resumed.sub_class)


def test_a_sample_with_a_new_label_leaves_its_sub_class() -> None:
    term, made = ready(warmup=0), batch()
    term.refresh(bank([0, 0, 1, 1, 0, 0]), 0)
    assert term(made).stats["clustered"].item() == pytest.approx(4 / 5)  # one has no label
    changed = batch()
    changed.label = torch.where(made.index == 4, 1, made.label)
    assert term(changed).stats["clustered"].item() == pytest.approx(3 / 5)


def test_the_authors_losses_are_ours_with_other_weights() -> None:
    """JackHck/SBCL 3b9047a, SimCLR/loss.py, SupConLoss_rank with temperatures .12, .08 and .1.

    Their part (a) is multiplied by 0.1 / 0.07, part (b) by 0.25.
    """
    label = torch.arange(12) % 3
    sub = torch.where(label == 0, (torch.arange(12) // 3) % 2, label + 1)
    term = SubClassContrastive(temperature=0.1, beta=0.25 * 0.7)
    term.setup(TrainingFacts(samples=12, classes=3, counts=torch.tensor([4, 4, 4]), dim=8))
    term.sub_class, term.clustered = sub, label
    term.temperature_C = torch.tensor([0.12, 0.08, 0.1])
    found = term(step(unit(12, 2, 8, seed=7).transpose(0, 1), label)).loss.item()
    assert found / 0.7 == pytest.approx(11.717972, rel=1e-6)


def test_temperatures_as_the_paper_and_as_the_code_has_them() -> None:
    """Theirs (SimCLR/main.py): ``tau phi / mean phi``, and tau for a class of one sub-class."""
    generator = torch.Generator().manual_seed(0)
    label = torch.tensor([0] * 40 + [1] * 30 + [2] * 12)
    width = torch.tensor([0.2, 0.5, 1.0])[label, None]
    z = functional.normalize(
        unit(3, 6, seed=1)[label] + width * torch.randn(82, 6, generator=generator)
    )
    spread = class_spread(z, label, 3)
    facts = TrainingFacts(samples=82, classes=3, counts=torch.tensor([40, 30, 12]), dim=6)
    made = step(z[None, :9], label[:9], further=label[9:])
    found = {}
    for name in ("exponential", "linear"):
        term = SubClassContrastive(temperature=0.1, spread=name, warmup=0)
        term.setup(facts)
        term.refresh(SampleBank(torch.arange(82), label, 3, z=z), 0)
        term(made)
        found[name] = term.temperature_C
    torch.testing.assert_close(found["exponential"], 0.1 * spread.exp())
    assert (found["exponential"] > 0.1).all()
    torch.testing.assert_close(found["linear"][:2], 0.1 * spread[:2])
    assert found["linear"][2].item() == pytest.approx(0.1)  # 12 samples are one sub-class
