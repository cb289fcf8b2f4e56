"""TCL: prototypes and claims by hand, planted noise, and the guards."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.tcl import Tcl, soft_assignment


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
