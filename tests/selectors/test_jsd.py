"""The divergence by hand, in bits, and what is kept by it."""

from __future__ import annotations

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.selectors.base import SampleBank, selector
from supcon_ext.selectors.jsd import JSD, jsd_bits
from tests.selectors.scenes import scene
from tests.selectors.test_unicon import UNICON_TAKES


def test_the_divergence_by_hand() -> None:
    probability = torch.tensor([[1.0, 0], [0.5, 0.5], [0, 1]])
    found = jsd_bits(probability, torch.ones(3, dtype=torch.int64))
    nats = found * torch.log(torch.tensor(2.0))
    torch.testing.assert_close(
        found, torch.tensor([1, 0.311278, 0], dtype=torch.float64), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        nats, torch.tensor([0.693147, 0.215762, 0], dtype=torch.float64), atol=1e-6, rtol=0
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-30, 30), min_size=3, max_size=6), st.data())
def test_it_is_the_definition(logits: list[float], data: st.DataObject) -> None:
    label = data.draw(st.integers(0, len(logits) - 1))
    p = torch.tensor(logits, dtype=torch.float64).softmax(0)
    hot = torch.zeros_like(p)
    hot[label] = 1
    middle = (p + hot) / 2
    entropy = [-(torch.xlogy(q, q)).sum() for q in (middle, p, hot)]
    expected = (entropy[0] - (entropy[1] + entropy[2]) / 2) / torch.log(torch.tensor(2.0).double())
    found = jsd_bits(p[None], torch.tensor([label]))[0]
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def bank(own: list[float], peer: list[float], label: list[int]) -> SampleBank:
    """Two classes; the probability of class 1 by each network."""

    def logits(p: list[float]) -> torch.Tensor:
        both = torch.tensor(p, dtype=torch.float64)
        return torch.stack([1 - both, both], 1).log()

    return SampleBank(
        torch.arange(len(label)),
        torch.tensor(label),
        2,
        logits=logits(own),
        peer_logits=logits(peer),
    )


def test_the_mean_of_both_networks_counts() -> None:
    found = JSD(0.35).refresh(bank([0.9, 0.9, 0.1], [0.1, 0.7, 0.3], [1, 1, 1]), 0)
    assert found.trust.tolist() == [1, 1, 0]  # p = .5, .8, .2
    assert float(found.ranking[0]) == pytest.approx(1 - 0.311278, abs=1e-5)
    assert JSD(0.3).refresh(bank([0.9, 0.99], [0.1, 0.9], [1, 1]), 0).trust.tolist() == [0, 1]


def test_a_threshold_of_seven_tenths_is_one_that_bits_reach() -> None:
    found = JSD(0.7).refresh(bank([0.01, 0.99], [0.01, 0.99], [1, 1]), 0)
    assert found.trust.tolist() == [0, 1]  # in nats nothing could be rejected


@pytest.mark.parametrize("threshold", [0, 1.1])
def test_thresholds_out_of_range(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        JSD(threshold)
    with pytest.raises(ValueError, match="threshold"):
        selector.spec({"kind": "jsd", "threshold": threshold})


def test_two_networks_are_demanded() -> None:
    alone = SampleBank(torch.arange(2), torch.tensor([0, 1]), 2, logits=torch.eye(2))
    with pytest.raises(ValueError, match="peer_logits"):
        JSD().refresh(alone, 0)
    assert "peer_logits" in JSD().requires


def test_equal_divergences_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = JSD().refresh(bank([0.1, 0.1], [0.1, 0.1], [1, 1]), 0)
    assert found.trust.tolist() == [1, 1]
    assert "equal" in caplog.text


@pytest.mark.parametrize("name", UNICON_TAKES)
def test_the_authors_divergence_over_the_logarithm_of_two(name: str) -> None:
    """Theirs are in nats, with 1e-10 added inside the logarithms."""
    nats = torch.tensor(UNICON_TAKES[name][1])
    made = JSD().select(scene(name), 0)
    expected = nats / torch.log(torch.tensor(2.0))
    torch.testing.assert_close(1 - made.ranking[: len(nats)], expected, atol=3e-6, rtol=0)
    assert torch.equal(made.trust[: len(nats)] > 0.5, expected < 0.5)
