"""M-DYR-H and M-DYR-S: the authors' loss and gradient, its parts by hand, and what it is told."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from torch.nn import functional

from supcon_ext.models.network import Outputs
from supcon_ext.objectives import Objective
from supcon_ext.objectives.base import Beliefs
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.dynamic_bootstrap import DynamicBootstrap, from_uniform
from supcon_ext.objectives.mixing import Mix
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.bmm import Bmm
from tests.objectives.steps import ViewsOf
from tests.objectives.test_terms import FACTS

# PaulAlbert31/LabelNoiseCorrection at 5e9a73e, its training steps of hard and of soft bootstrapping
# on `inputs(classes)`: the prediction, the share of Mixup, the factor of the regularisation; the
# loss, and its gradient for the first three logits of the first mixed image.
AUTHORS = [
    (4, "hard", 0.5, 0.0, 1.715915034887165, [0.06876321, -0.01134778, -0.01504374]),
    (4, "hard", 0.7, 0.0, 1.6604233989504298, [0.04340886, 0.00366354, -0.02302273]),
    (4, "hard", 0.7, 1.0, 1.7031112418796184, [0.0309616, 0.01434325, -0.02331507]),
    (4, "soft", 0.5, 0.0, 1.62447606168998, [0.06346443, -0.0073476, -0.00606082]),
    (4, "soft", 0.7, 0.0, 1.512595827725127, [0.03724994, 0.00428449, -0.01001609]),
    (10, "hard", 0.7, 0.0, 2.8935397597252726, [0.00090246, 0.00020818, 0.07003367]),
    (10, "hard", 0.7, 1.0, 3.233504722410595, [-0.00100809, 0.00031431, 0.0707421]),
    (10, "soft", 0.7, 0.0, 3.2008166440463697, [-0.00033737, -0.00063909, 0.06649725]),
    (10, "soft", 0.5, 1.0, 3.666595886554097, [-0.00191705, -0.0004067, 0.06808808]),
    (10, "soft", 0.7, 1.0, 3.540781606731692, [-0.00224792, -0.00053296, 0.06720567]),
]
EDGES = 2.1095443820876736  # hard, 4 classes, share 0.7, with doubts of 0, 1, 0, 1, 1 and 0.5


def inputs(classes: int) -> dict[str, torch.Tensor]:
    """Logits of six images as they are and mixed, labels, doubts and partners, in this order."""
    random = np.random.default_rng(0)
    plain, mixed = (torch.from_numpy(2 * random.normal(size=(6, classes))) for _ in range(2))
    label = torch.from_numpy(random.integers(0, classes, 6))
    doubt = torch.from_numpy(random.random(6))
    partner = torch.from_numpy(random.permutation(6))
    return {"plain": plain, "mixed": mixed, "label": label, "doubt": doubt, "partner": partner}


class Given(ViewsOf):
    """A batch of one view whose outputs and mix are said."""

    def __init__(self, given: dict[str, torch.Tensor], share: float) -> None:
        label = given["label"]
        samples = Beliefs(label, 1 - given["doubt"], torch.zeros(len(label), dtype=torch.int8))
        super().__init__(
            torch.zeros(1, len(label), 1, 1, 1),
            ("a",),
            torch.arange(len(label)),
            samples,
            lambda images: Outputs(images, images, images),
        )
        self.plain = given["plain"].clone().requires_grad_()
        self.mixed_logits = given["mixed"].clone().requires_grad_()
        self.mix = Mix(given["partner"], torch.full((len(label),), share), None)

    def outputs(self) -> Outputs:
        return Outputs(self.plain, self.plain, self.plain)

    def mixed(self, mixup: float, cutmix: float) -> tuple[Mix, Outputs]:
        logits = self.mixed_logits
        return self.mix, Outputs(logits, logits, logits)


@pytest.mark.parametrize(
    ("classes", "prediction", "share", "regularisation", "loss", "gradient"), AUTHORS
)
def test_the_authors_loss(
    classes: int,
    prediction: Literal["hard", "soft"],
    share: float,
    regularisation: float,
    loss: float,
    gradient: list[float],
) -> None:
    batch = Given(inputs(classes), share)
    term = DynamicBootstrap(prediction, regularisation=regularisation)
    found = term(batch).loss
    found.backward()
    assert found.item() == pytest.approx(loss, rel=1e-6)
    assert batch.mixed_logits.grad is not None and batch.plain.grad is None
    assert batch.mixed_logits.grad[0, :3].tolist() == pytest.approx(gradient, abs=1e-6)


def test_labels_are_trusted_neither_wholly_nor_not_at_all() -> None:
    given = {**inputs(4), "doubt": torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0, 0.5]).double()}
    assert DynamicBootstrap()(Given(given, 0.7)).loss.item() == pytest.approx(EDGES, rel=1e-6)


def test_trusted_labels_are_mixup_and_distrusted_ones_are_the_prediction() -> None:
    for trust in (1.0, 0.0):
        given = {**inputs(4), "doubt": torch.full((6,), 1 - trust).double()}
        batch = Given(given, 0.8)
        target = given["label"] if trust else given["plain"].argmax(1)
        mine, theirs = (
            functional.cross_entropy(given["mixed"], side)
            for side in (target, target[given["partner"]])
        )
        result = DynamicBootstrap(regularisation=0)(batch)
        expected = (0.8 * mine + 0.2 * theirs).item()
        assert result.loss.item() == pytest.approx(expected, abs=1e-3)
        assert result.stats["bootstrapped"].item() == pytest.approx(1 - trust, abs=1e-3)


def test_of_unknown_labels_nothing_is_learnt() -> None:
    """An image without a label counts neither as itself nor as a partner."""
    given = inputs(4)
    label = given["label"].clone()
    label[2] = -1
    batch = Given({**given, "label": label}, 0.6)
    term = DynamicBootstrap(regularisation=0)
    doubt, plain = given["doubt"], given["plain"].argmax(1)
    log = given["mixed"].log_softmax(1)
    total = 0.0
    for i in [0, 1, 3, 4, 5]:
        j = int(given["partner"][i])
        own, other = (
            -float((1 - doubt[k]) * log[i, label[k]] + doubt[k] * log[i, plain[k]]) for k in (i, j)
        )
        total += own if j == 2 else 0.6 * own + 0.4 * other
    assert term(batch).loss.item() == pytest.approx(total / 5, rel=1e-6)


def test_the_divergence_by_hand() -> None:
    probability = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert from_uniform(probability).item() == pytest.approx(expected)
    assert from_uniform(torch.full((3, 4), 0.25)).item() == pytest.approx(0, abs=1e-6)


def test_alone_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="selector in the stage of `dynamic_bootstrap`"):
        Objective({"dynamic_bootstrap": DynamicBootstrap()}).setup(FACTS)
    Objective({"contrastive": Contrastive("label"), "m_dyr": DynamicBootstrap()}).setup(FACTS)


def test_the_posterior_of_the_beta_mixture_is_what_it_weighs_by() -> None:
    """Soft trust is the posterior; hard trust is whether it exceeds a half."""
    loss = torch.cat([torch.linspace(0, 1, 40), torch.linspace(0.8, 2.0, 30)])
    bank = SampleBank(torch.arange(70), torch.zeros(70, dtype=torch.int64), 1, loss=loss)
    soft, hard = Bmm(soft=True).select(bank, 0), Bmm().select(bank, 0)
    assert torch.equal((soft.trust > 0.5).float(), hard.trust)
    between = (soft.trust > 0.01) & (soft.trust < 0.99)
    assert between.sum() > 5 and soft.stats["confident"] == hard.trust.sum()
    with pytest.raises(ValueError, match="`threshold` beside soft trust"):
        Bmm(threshold=0.7, soft=True)
