"""TCL: prototypes and claims by hand, planted noise, and the guards."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.mixtures import gaussian_mixture, unit_range
from supcon_ext.selectors.tcl import TCL, Tcl, soft_assignment
from tests.selectors.scenes import SCENES, bits, scene


def bank(z: torch.Tensor, logits: torch.Tensor, label: torch.Tensor) -> SampleBank:
    return SampleBank(torch.arange(len(z)), label, logits.shape[1], z=z, logits=logits)


def sure(label: torch.Tensor, classes: int) -> torch.Tensor:
    return 50 * functional.one_hot(label, classes).float()


def test_claims_by_hand() -> None:
    """Prototypes e1 and e2; a cosine of 1 against one of 0, at temperature 1/4."""
    z = torch.eye(2)[[0, 0, 1, 1]]
    claims = soft_assignment(z, sure(torch.tensor([0, 0, 1, 1]), 2), 0.25)
    share = math.exp(4) / (math.exp(4) + 1)  # 0.98201
    expected = torch.tensor([[share, 1 - share]] * 2 + [[1 - share, share]] * 2)
    torch.testing.assert_close(claims, expected)


def test_prototypes_weigh_by_probability() -> None:
    """Class 0 is 3/4 e1 and 1/4 e2, class 1 the other way: cosines 3 / sqrt 10, 1 / sqrt 10."""
    z = 2 * torch.eye(2)  # rows are normalised
    logits = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]])
    claims = soft_assignment(z, logits, 1.0)
    share = 1 / (1 + math.exp(-2 / math.sqrt(10)))
    torch.testing.assert_close(claims[0], torch.tensor([share, 1 - share]))


def planted() -> tuple[SampleBank, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(240) % 3
    z = functional.one_hot(true, 8).float() + 0.15 * torch.randn(240, 8, generator=generator)
    given = true.clone()
    given[:72] = (true[:72] + 1) % 3
    logits = 2 * functional.one_hot(true, 3).float() + torch.randn(240, 3, generator=generator)
    return bank(functional.normalize(z, dim=1), logits, given), true == given


@pytest.mark.parametrize("per_class", [False, True])
def test_planted_noise_is_found(per_class: bool) -> None:
    known, clean = planted()
    made = Tcl(per_class=per_class).select(known, 0)
    assert ((made.trust > 0.5) == clean).float().mean() > 0.98
    assert made.posterior is not None
    torch.testing.assert_close(made.posterior.sum(1), torch.ones(240))
    own = made.posterior.gather(1, known.label[:, None])[:, 0]
    assert torch.equal(made.ranking, own)  # the claim itself, no logarithm


def test_claims_that_are_all_the_same_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    z = torch.ones(6, 4) / 2
    made = Tcl().select(bank(z, torch.zeros(6, 2), torch.arange(6) % 2), 0)
    assert made.trust.tolist() == [1] * 6 and "trusting every sample" in caplog.text


@pytest.mark.parametrize("per_class", [False, True])
def test_classes_of_one_and_of_none(per_class: bool) -> None:
    known, _ = planted()
    label = known.label.clone()
    label[label == 2] = 1
    label[-1] = 2
    made = Tcl(per_class=per_class).select(
        bank(known.need("z"), torch.cat([known.need("logits"), torch.zeros(240, 1)], 1), label), 0
    )
    assert made.trust.isfinite().all() and made.ranking.isfinite().all()


def test_what_it_needs_is_asked_for() -> None:
    known, _ = planted()
    with pytest.raises(ValueError, match="`logits`"):
        Tcl().select(SampleBank(known.index, known.label, 3, z=known.z), 0)


# Hzzone/TCL 86fc890, `noise_detect` of models/tcl/tcl.py, temperature 0.25: who has a confidence
# above 0.5, the confidence of the first six, the claims on the first four.
TCL_KEEPS: dict[str, tuple[str, list[float], list[float]]] = {
    "balanced 0": (
        "110011111110101011010001111111010111111111111101011010101100",
        [0.982725, 0.82942, 0.001445, 6e-06, 0.999935, 1.0],
        [0.493073, 0.438911, 0.26014, 0.139565],
    ),
    "balanced 1": (
        "110111111011111101001011111001101111011011101111011101011111",
        [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
        [0.881003, 0.459559, 0.047735, 0.808252],
    ),
    "balanced 2": (
        "001011000010111111101011111101011111111111111110001111111111",
        [0.0, 0.0, 1.0, 0.000875, 1.0, 0.995684],
        [0.171427, 0.049329, 0.837118, 0.330293],
    ),
    "long tail": (
        "00110111101101001010010110110010110101101111111111",
        [0.134704, 0.042567, 0.99254, 0.953249, 0.07423, 0.969986],
        [0.28164, 0.231841, 0.534579, 0.46667],
    ),
    "class of one": (
        "1110111011001111100101101111101111011110110",
        [0.999225, 0.993862, 0.941314, 0.006034, 0.856545, 0.583349],
        [0.707791, 0.59766, 0.47864, 0.097872],
    ),
    "one class": (
        "11110000111000001111",
        [0.893749, 0.909403, 0.949467, 0.947865, 0.229944, 0.000465],
        [0.537516, 0.540141, 0.565026, 0.554541],
    ),
}
# The same with `sep_gmm`, which does not run where a class has fewer than two samples.
TCL_KEEPS_BY_CLASS = {
    "balanced 0": "100011111110101011010001111111010111111111111101011010101100",
    "balanced 1": "110111111011111101001011111001101111011011101111011101011111",
    "balanced 2": "001011000010111111101011111101011111111111111110001111111111",
    "long tail": "00110111101101001010010110110010110001001110001111",
    "class of one": "1110111011011111100101010100000011011110111",
}


@pytest.mark.parametrize("start", ["best_split", "k_means"])
@pytest.mark.parametrize("name", SCENES)
def test_the_authors_selection(name: str, start: Literal["best_split", "k_means"]) -> None:
    kept, confidence, claims = TCL_KEEPS[name]
    made = Tcl(start=start).select(scene(name), 0)
    assert bits(made.trust) == kept
    torch.testing.assert_close(made.ranking[:4], torch.tensor(claims), atol=2e-6, rtol=0)
    found = gaussian_mixture(unit_range(-made.ranking), replace(TCL, start=start))
    assert found is not None
    torch.testing.assert_close(found[:6], torch.tensor(confidence), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", TCL_KEEPS_BY_CLASS)
def test_the_authors_selection_by_class(name: str) -> None:
    """From k-means all are the authors'; from the best split, two of five."""
    kept = TCL_KEEPS_BY_CLASS[name]
    assert bits(Tcl(per_class=True, start="k_means").select(scene(name), 0).trust) == kept
    best = bits(Tcl(per_class=True).select(scene(name), 0).trust)
    assert (best == kept) == (name in ("balanced 1", "balanced 2"))
