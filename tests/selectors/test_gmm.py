"""Small losses by two Gaussians: DivideMix's numbers, the history, and the guards."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.gmm import Gmm
from supcon_ext.selectors.mixtures import DIVIDEMIX, gaussian_mixture
from tests.selectors.scenes import SCENES, bits, refreshes, scene

LOSSES = torch.tensor([0.10, 0.12, 0.11, 0.13, 0.90, 1.00, 0.95])


def bank(loss: torch.Tensor, label: torch.Tensor | None = None, classes: int = 1) -> SampleBank:
    label = torch.zeros(len(loss), dtype=torch.int64) if label is None else label
    return SampleBank(torch.arange(len(loss)), label, classes, loss=loss)


def test_by_hand() -> None:
    for loss in (LOSSES, 3 * LOSSES + 2):
        made = Gmm().select(bank(loss), 0)
        assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0]
        assert made.score is not None and torch.equal(made.score, -loss)
        assert made.stats["confident"] == 4
        assert made.stats["low_mean"] < made.stats["high_mean"]


@pytest.mark.parametrize("per_class", [False, True])
def test_constant_losses_keep_all(per_class: bool, caplog: pytest.LogCaptureFixture) -> None:
    made = Gmm(per_class=per_class).select(bank(torch.full((6,), 0.7)), 0)
    assert made.trust.tolist() == [1] * 6
    assert "trust" in caplog.text


@pytest.mark.parametrize("per_class", [False, True])
def test_classes_of_one_and_of_none(per_class: bool) -> None:
    label = torch.tensor([0, 0, 0, 0, 2, 0, 0])
    made = Gmm(per_class=per_class).select(bank(LOSSES, label, 4), 0)
    assert made.trust.isfinite().all()
    assert bool(made.trust[4]) == per_class


def test_per_class_spares_a_class_that_is_learned_late() -> None:
    loss = torch.cat([LOSSES, 8 + LOSSES])
    label = torch.arange(2).repeat_interleave(7)
    made = Gmm(per_class=True).select(bank(loss, label, 2), 0)
    assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0] * 2
    assert Gmm().select(bank(loss, label, 2), 0).trust.tolist() == [1] * 7 + [0] * 7


def test_the_threshold() -> None:
    loss = torch.cat([torch.linspace(0, 1, 40), torch.linspace(0.8, 2.0, 30)])
    kept = [Gmm(threshold=t).select(bank(loss), 0).trust.sum().item() for t in (0.05, 0.5, 0.95)]
    assert kept[0] > kept[1] > kept[2] > 0


def test_the_last_refreshes_are_averaged() -> None:
    """Sample 3 has a large loss now, and small ones before; scales do not count."""
    calm = torch.tensor([0.0, 0.1, 0.1, 0.1, 0.9, 1.0])
    now = torch.tensor([0.0, 0.1, 0.1, 0.9, 0.9, 1.0])
    rule = Gmm(history=3)
    for loss in (now, 7 * calm, calm):  # the oldest will be forgotten
        rule.select(bank(loss), 0)
    made = rule.select(bank(now), 3)
    assert made.trust.tolist() == [1, 1, 1, 1, 0, 0]
    assert made.score is not None
    expected = torch.tensor([0.0, 0.1, 0.1, 1.1 / 3, 0.9, 1.0])
    torch.testing.assert_close(-made.score, expected)
    assert Gmm().select(bank(now), 0).trust[3] == 0


def test_a_history_is_of_the_same_samples() -> None:
    rule = Gmm(history=2)
    rule.select(bank(LOSSES), 0)
    with pytest.raises(ValueError, match="same 7 samples"):
        rule.select(bank(LOSSES[:5]), 1)
    alone = Gmm()
    alone.select(bank(LOSSES), 0)
    assert alone.select(bank(LOSSES[:5]), 1).trust.tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("refreshes", [0, 1, 4])
def test_it_resumes_to_the_same_selection(refreshes: int) -> None:
    draw = torch.Generator().manual_seed(0)
    losses = torch.rand(refreshes + 2, 30, generator=draw)
    rule, resumed = Gmm(history=3), Gmm(history=3)
    for loss in losses[:refreshes]:
        rule.select(bank(loss), 0)
    resumed.load_state_dict(copy.deepcopy(rule.state_dict()))
    for loss in losses[refreshes:]:
        first, second = rule.select(bank(loss), 0), resumed.select(bank(loss), 0)
        assert torch.equal(first.trust, second.trust)
        assert torch.equal(first.ranking, second.ranking)


def test_equal_losses_fare_alike() -> None:
    loss = torch.tensor([0.1, 0.1, 0.4, 0.4, 0.4, 0.9, 0.9])
    trust = Gmm().select(bank(loss), 0).trust
    order = torch.tensor([1, 0, 4, 2, 3, 6, 5])
    assert torch.equal(Gmm().select(bank(loss[order]), 0).trust, trust)


# LiJunnan1992/DivideMix d9d3058, `eval_train` of Train_cifar.py: who has a posterior above 0.5, and
# the posterior of the first six.
DIVIDEMIX_KEEPS: dict[str, tuple[str, list[float]]] = {
    "balanced 0": (
        "100011011110110011010011111111110111111111111101011010101101",
        [0.987524, 0.0, 0.455974, 1e-06, 0.976266, 0.970719],
    ),
    "balanced 1": (
        "110111111001111101001011111001101110001011101111011111001111",
        [0.997639, 0.990384, 0.0, 0.997591, 0.997633, 0.997316],
    ),
    "balanced 2": (
        "001011000111111111101111111101111111111111111110101111111111",
        [0.082595, 0.0, 0.999696, 0.0, 0.854853, 0.999534],
    ),
    "long tail": (
        "00111110110111111110010111110110111100111111111111",
        [0.0, 0.0, 0.998694, 0.998194, 0.998317, 0.999345],
    ),
    "class of one": (
        "1110001011011101010011100101001111001110111",
        [0.956552, 0.956092, 0.956124, 0.0, 0.000866, 0.0],
    ),
    "one class": ("11111111111111011111", [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_selection(name: str) -> None:
    kept, posterior = DIVIDEMIX_KEEPS[name]
    known = scene(name)
    assert bits(Gmm().select(known, 0).trust) == kept
    found = gaussian_mixture(known.need("loss"), DIVIDEMIX)
    assert found is not None
    torch.testing.assert_close(found[:6], torch.tensor(posterior), atol=2e-5, rtol=0)


# The same with r 0.9, where the losses of five epochs are averaged, after six.
DIVIDEMIX_KEEPS_OF_FIVE = {
    "balanced 0": "101011011111111011010111111111110111111111111101011010101101",
    "balanced 1": "110111111011111101001011111001101111001011101111011111011111",
    "balanced 2": "001011000111111111101111111111111111111111111110101111111111",
    "long tail": "00111110111111111110010111110110111100111111111111",
    "class of one": "1110001011011111010011101111101111001110111",
    "one class": "11111111111111011111",
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_selection_by_five_epochs(name: str) -> None:
    known, rule = scene(name), Gmm(history=5)
    for logits in [*refreshes(known), known.need("logits")]:
        loss = functional.cross_entropy(logits, known.label, reduction="none")
        made = rule.select(replace(known, loss=loss), 0)
    assert bits(made.trust) == DIVIDEMIX_KEEPS_OF_FIVE[name]
