"""Sel-CL's selection by hand, and its guards."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, SupConLoss
from supcon_ext.selectors.agreement import (
    agreeing_per_class,
    equal_number_per_class,
    two_round_agreement,
)
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.confident_pairs import ConfidentPairs, quantile
from supcon_ext.selectors.neighbours import nearest_neighbours


def clusters() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    center = torch.tensor([[1.0, 0, 0], [0, 1, 0]]).repeat_interleave(4, 0)
    z = center + 0.01 * torch.randn(8, 3, generator=generator)
    return functional.normalize(z, dim=1), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0])


def bank(z: torch.Tensor, label: torch.Tensor, classes: int) -> SampleBank:
    return SampleBank(torch.arange(len(z)), label, classes, z=z)


def test_two_rounds_by_hand() -> None:
    z, label = clusters()
    graph = nearest_neighbours(z, 3)
    first = graph.vote(label, 2)
    torch.testing.assert_close(first[0], torch.tensor([2 / 3, 1 / 3]))
    assert first[3].tolist() == [1, 0]
    found = two_round_agreement(graph, label, 2)
    assert found.corrected.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    expected = torch.full((8,), 0.01005)
    expected[[3, 7]] = 4.60517
    torch.testing.assert_close(found.loss, expected, atol=1e-5, rtol=0)
    assert found.agrees.tolist() == [True, True, True, False, True, True, True, False]


@pytest.mark.parametrize("chunk", [1, 3, 8, 1000])
def test_neighbours_exclude_self_in_chunks_of_any_size(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supcon_ext.selectors.neighbours.CHUNK_ELEMENTS", chunk * 23)
    z = torch.randn(23, 4, generator=torch.Generator().manual_seed(1))
    graph = nearest_neighbours(z, 5)
    unit = functional.normalize(z, dim=1)
    cosine = (unit @ unit.T).fill_diagonal_(-2)
    assert torch.equal(graph.index, cosine.topk(5).indices)
    assert not (graph.index == torch.arange(23)[:, None]).any()


def test_the_order_of_the_data_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(2)
    z, label = torch.randn(40, 6, generator=generator), torch.arange(40) % 4
    order = torch.randperm(40, generator=generator)
    plain, moved = ConfidentPairs(7), ConfidentPairs(7)
    first = plain.refresh(bank(z, label, 4), 0)
    second = moved.refresh(bank(z[order], label[order], 4), 0)
    # ties of the clipped loss go by index; the numbers kept of each class do not depend on it
    assert torch.equal(
        torch.bincount(label[first.trust > 0], minlength=4),
        torch.bincount(label[order][second.trust > 0], minlength=4),
    )


@pytest.mark.parametrize(("fraction", "number"), [(0, 1), (0.25, 1), (0.5, 2), (0.75, 3), (1, 4)])
def test_the_number_that_each_class_keeps(fraction: float, number: int) -> None:
    label = torch.arange(4).repeat_interleave(5)
    agrees = torch.zeros(20, dtype=torch.bool)
    for class_, count in enumerate([4, 2, 3, 1]):
        agrees[5 * class_ : 5 * class_ + count] = True
    kept = equal_number_per_class(torch.arange(20.0), label, 4, agrees, fraction)
    assert torch.bincount(label[kept]).tolist() == [number] * 4
    tied = equal_number_per_class(torch.zeros(20), label, 4, agrees, fraction)
    assert torch.equal(tied, kept)  # ties go to the smaller index


@pytest.mark.parametrize(("share", "value"), [(0, 0.6), (0.25, 0.675), (0.5, 0.75), (1, 0.9)])
def test_the_threshold_is_a_linear_quantile(share: float, value: float) -> None:
    assert quantile(torch.tensor([0.9, 0.6, 0.8, 0.7]), share).item() == pytest.approx(value)


def test_the_pair_rule_by_hand() -> None:
    """a, b, c confident, threshold .8: bc (.7) stays, ad (.85) is added, bd and cd are not."""
    gram = torch.tensor(
        [[1, 0.9, 0.8, 0.85], [0.9, 1, 0.7, 0.6], [0.8, 0.7, 1, 0.1], [0.85, 0.6, 0.1, 1.0]]
    )
    values, vectors = torch.linalg.eigh(gram.double())
    z = (vectors * values.clamp(min=0).sqrt()).float()
    rule = ConfidentPairs(pair_fraction=0.5)
    label = torch.zeros(4, dtype=torch.int64)
    kept = torch.tensor([True, True, True, False])
    similarity = rule._confident_similarities(z, label, kept, 1, 0)[0]
    assert float(quantile(similarity, 0.5)) == pytest.approx(0.8, abs=0.06)
    rule.threshold, rule.z = torch.tensor([0.8 - 1e-6]), z
    rows = torch.cat([z, z[:1]])
    rule.z = rows
    views = Rows.of(rows, torch.tensor([0, 0, 0, 0, 1]), trust=torch.tensor([1.0, 1, 1, 0, 1]))
    found = rule.targets(PairTile(views, views, rows @ rows.T)).fill_diagonal_(False)
    expected = torch.zeros(5, 5, dtype=torch.bool)
    for i, j in ((0, 1), (0, 2), (1, 2), (0, 3)):
        expected[i, j] = expected[j, i] = True
    assert torch.equal(found, expected)


def planted(rate: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    true = torch.arange(300) % 3
    z = functional.one_hot(true, 8).float() + 0.15 * torch.randn(300, 8, generator=generator)
    wrong = torch.rand(300, generator=generator) < rate
    given = torch.where(wrong, (true + 1 + torch.randint(2, (300,), generator=generator)) % 3, true)
    return z, true, given


def test_planted_noise_is_found() -> None:
    z, true, given = planted(0.4)
    selection = ConfidentPairs(30).refresh(bank(z, given, 3), 0)
    kept = selection.trust > 0.5
    assert (given == true)[kept].float().mean() > 0.95
    assert kept.sum() > 100
    assert selection.stats["agreement"] == pytest.approx(0.6, abs=0.06)


def test_sampled_pairs_give_nearly_the_exact_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    z, _, given = planted(0.2)
    exact, sampled = ConfidentPairs(30), ConfidentPairs(30)
    exact.refresh(bank(z, given, 3), 0)
    monkeypatch.setattr("supcon_ext.selectors.confident_pairs.SAMPLED_PAIRS", 3000)
    sampled.refresh(bank(z, given, 3), 0)
    torch.testing.assert_close(sampled.threshold, exact.threshold, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "label",
    [
        [0, 0, 0, 0, 0, 1],  # one sample of a class
        [0, 0, 0, 2, 2, 2],  # a class without samples
        [0, 1, 2, 0, 1, 2],  # labels that nobody agrees with
    ],
)
def test_small_classes_do_not_crash(label: list[int], caplog: pytest.LogCaptureFixture) -> None:
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    given = torch.tensor(label)
    rule = ConfidentPairs(250)
    selection = rule.refresh(bank(z, given, 3), 0)
    assert "taking 5" in caplog.text
    assert selection.trust.sum() >= 1
    views = Rows.of(z, given, trust=selection.trust)
    assert SupConLoss(selector=rule)(views).isfinite()


def test_before_the_first_refresh_it_is_supcon() -> None:
    z, labels = torch.randn(6, 2, 4), torch.arange(6) % 2
    ours = SupConLoss(selector=ConfidentPairs())(z, labels)
    torch.testing.assert_close(ours, SupConLoss()(z, labels))


def test_state_round_trip() -> None:
    z, _, given = planted(0.2)
    rule, other = ConfidentPairs(30), ConfidentPairs(30)
    rule.refresh(bank(z, given, 3), 0)
    other.load_state_dict(rule.state_dict())
    assert torch.equal(other.threshold, rule.threshold)
    assert other.z is not None and rule.z is not None and torch.equal(other.z, rule.z)


def rare() -> tuple[torch.Tensor, torch.Tensor]:
    """100 samples of class 0, 6 of class 1, 6 of class 2; three of class 0 are called class 1."""
    generator = torch.Generator().manual_seed(3)
    true = torch.tensor([0] * 100 + [1] * 6 + [2] * 6)
    z = functional.one_hot(true, 6).float() + 0.1 * torch.randn(112, 6, generator=generator)
    given = true.clone()
    given[:3] = 1
    return functional.normalize(z, dim=1), given


def test_a_rare_class_is_outvoted_unless_votes_are_balanced_or_fewer() -> None:
    z, given = rare()
    graph = nearest_neighbours(z, 60)
    plain = two_round_agreement(graph, given, 3)
    assert not plain.agrees[100:].any()
    assert two_round_agreement(graph, given, 3, balanced=True).agrees[100:].sum() >= 11
    fewer = two_round_agreement(graph, given, 3, per_class=0.5)
    assert fewer.agrees[100:].all()
    assert not fewer.agrees[:3].any()


def test_balanced_votes_by_hand() -> None:
    z, label = clusters()
    graph = nearest_neighbours(z, 3)
    vote = graph.vote(label, 2, weight_C=torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(vote[0], torch.tensor([2 / 5, 3 / 5]))  # two for 0, one for 1
    near = graph.vote(label, 2, neighbours_N=torch.tensor([1, 2, 3, 1, 1, 1, 1, 1]))
    expected = functional.one_hot(label[graph.index[0, 0]], 2).float()
    torch.testing.assert_close(near[0], expected)


def test_numbers_by_class() -> None:
    label = torch.tensor([0] * 10 + [1] * 4)
    agrees = torch.zeros(14, dtype=torch.bool)
    agrees[[0, 1, 2, 3, 4, 5, 6, 7, 10]] = True
    loss = torch.where(agrees, 0.0, 1.0)
    kept = agreeing_per_class(loss, label, 2, agrees, None)
    assert torch.equal(kept, agrees)
    # shares .8 and .25: their median .525 of 10 and of 4, rounded down
    kept = agreeing_per_class(loss, label, 2, agrees, 0.5)
    assert torch.bincount(label[kept]).tolist() == [5, 2]


def test_thresholds_by_class_are_drawn_to_the_global_one() -> None:
    z, given = rare()
    rule = ConfidentPairs(
        60, per_class="threshold", neighbours_per_class=0.5, pair_threshold="per_class"
    )
    selection = rule.refresh(bank(z, given, 3), 0)
    assert rule.threshold.shape == (3,)
    kept = selection.trust > 0.5
    assert kept[3:100].all() and kept[100:].all() and not kept[:3].any()
    same = given[:, None] == given[None, :]
    both = kept[:, None] & kept[None, :]
    cosine = z @ z.T
    pairs = torch.triu(same & both, 1)
    overall = quantile(cosine[pairs], 0.25)
    own = quantile(cosine[pairs & (given == 2)[:, None]], 0.25)
    torch.testing.assert_close(rule.threshold[2], torch.lerp(overall, own, 15 / 115))


def test_many_neighbours_of_small_classes_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    z, given = rare()
    ConfidentPairs(60).refresh(bank(z, given, 3), 0)
    assert "smallest class has 6 samples" in caplog.text


def test_approximate_neighbours_are_nearly_the_exact_ones() -> None:
    pytest.importorskip("faiss")
    z = torch.randn(3000, 16, generator=torch.Generator().manual_seed(0))
    exact = SampleBank(torch.arange(3000), torch.zeros(3000).long(), 1, z=z).neighbours(20)
    searched = SampleBank(torch.arange(3000), torch.zeros(3000).long(), 1, z=z, search="faiss")
    found = searched.neighbours(20)
    assert found.index.shape == (3000, 20)
    assert not (found.index == torch.arange(3000)[:, None]).any() and (found.index >= 0).all()
    common = (found.index[:, :, None] == exact.index[:, None, :]).any(2).float().mean()
    assert common > 0.9


def test_approximate_neighbours_of_few_samples() -> None:
    pytest.importorskip("faiss")
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    label = torch.zeros(5).long()
    found = SampleBank(torch.arange(5), label, 1, z=z, search="faiss").neighbours(250)
    exact = SampleBank(torch.arange(5), label, 1, z=z).neighbours(250)
    assert torch.equal(found.index, exact.index)


def test_one_search_serves_every_selector_of_a_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    searches: list[int] = []

    def counted(z: torch.Tensor, neighbours: int) -> object:
        searches.append(neighbours)
        return nearest_neighbours(z, neighbours)

    monkeypatch.setattr("supcon_ext.selectors.base.nearest_neighbours", counted)
    z, _, given = planted(0.2)
    shared = bank(z, given, 3)
    wide, narrow = shared.neighbours(30), shared.neighbours(10)
    assert searches == [30]
    assert torch.equal(narrow.index, wide.index[:, :10])
