"""Co-teaching: who is picked, who is taught, the schedule, two networks in one run."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from supcon_ext.experiment import run
from supcon_ext.models.network import Outputs
from supcon_ext.objectives import Objective
from supcon_ext.objectives.co_teaching import CoTeaching, keep_smallest
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.recipe import parse_recipe
from supcon_ext.tracking.results import read_metrics
from supcon_ext.training.loop import Trainer
from supcon_ext.training.running import Running
from tests.experiment.tiny import recipe
from tests.objectives.test_terms import FACTS, batch


class Small(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.linear = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> Outputs:
        pixels = images.flatten(1)
        return Outputs(pixels, functional.normalize(pixels, dim=1), self.linear(pixels))


def test_the_smallest_losses_by_hand() -> None:
    loss, known = torch.tensor([3.0, 1, 2, 5, 4]), torch.ones(5, dtype=torch.bool)
    assert keep_smallest(loss, known, 0.4).nonzero()[:, 0].tolist() == [0, 1, 2]
    assert keep_smallest(loss, known, 1.0).nonzero()[:, 0].tolist() == [1]
    known[1] = False
    assert keep_smallest(loss, known, 0.5).nonzero()[:, 0].tolist() == [0, 2]
    assert not keep_smallest(loss, torch.zeros(5, dtype=torch.bool), 0.2).any()


def test_the_schedule() -> None:
    term = CoTeaching(rate=0.2, ramp_epochs=10)
    assert [term.forget_rate(t) for t in (0, 9, 50)] == pytest.approx([0, 0.2, 0.2])
    assert term.forget_rate(3) == pytest.approx(0.2 / 3)  # the fourth of ten points
    slow = CoTeaching(rate=0.2, ramp_epochs=10, exponent=2.0)
    assert [slow.forget_rate(t) for t in (0, 3, 9, 50)] == pytest.approx([0, 0.2 / 9, 0.2, 0.2])
    sudden = CoTeaching(rate=0.2, ramp_epochs=1)
    assert [sudden.forget_rate(t) for t in (0, 1)] == [0, 0.2]


def test_each_network_learns_what_the_other_picked() -> None:
    term = CoTeaching(rate=0.5, ramp_epochs=1)
    term.setup(replace(FACTS, new_network=lambda name: Small(1)))  # type: ignore[arg-type,return-value]
    made, first = batch(), Small(2)
    made._network = first
    made.epoch = 1
    result = term(made)
    pixels, label = made.images.flatten(2), made.label
    known = label >= 0

    def losses(network: Small) -> torch.Tensor:
        logits = network.linear(pixels)
        wanted = label.clamp(min=0).expand(3, -1)
        return functional.cross_entropy(
            logits.flatten(0, 1), wanted.flatten(), reduction="none"
        ).view(3, -1)

    one, two = losses(first), losses(term.network_2)  # type: ignore[arg-type]
    picks = [keep_smallest(loss.mean(0), known, 0.5) for loss in (one, two)]
    expected = one[:, picks[1]].mean() + two[:, picks[0]].mean()
    torch.testing.assert_close(result.loss, expected)
    result.loss.backward()
    assert first.linear.weight.grad is not None and term.network_2 is not None
    assert all(p.grad is not None for p in term.network_2.parameters())


def test_the_second_network_is_saved_with_the_term() -> None:
    def made(seed: int) -> CoTeaching:
        term = CoTeaching()
        term.setup(replace(FACTS, new_network=lambda name: Small(seed)))  # type: ignore[arg-type,return-value]
        return term

    first, other = made(1), made(2)
    assert first(batch()).loss.item() != other(batch()).loss.item()
    other.load_state_dict(first.state_dict())
    assert first(batch()).loss.item() == other(batch()).loss.item()
    assert other.peer is other.network_2
    with pytest.raises(ValueError, match="new_network"):
        CoTeaching().setup(FACTS)


def test_a_selector_that_compares_two_networks_asks_for_a_second() -> None:
    alone = Objective({"contrastive": Contrastive("jsd")})
    with pytest.raises(ValueError, match="Try: - co_teaching"):
        alone.setup(FACTS)


def test_unicon_trains_two_networks_and_the_second_goes_on(tmp_path: Path) -> None:
    stages = [
        {
            "name": name,
            "epochs": 1,
            "batch_size": 64,
            "objective": [
                {"contrastive": {"selector": selector}},
                {"co_teaching": {"rate": 0, "samples": on}},
            ],
            "optimizer": {"kind": "sgd", "lr": 0.05},
        }
        for name, selector, on in (("warmup", "instance", "all"), ("select", "unicon", "confident"))
    ]
    ends: list[dict[str, torch.Tensor]] = []
    starts: list[dict[str, torch.Tensor]] = []
    start, finish = Trainer._start_stage, Running.peer_state

    def starting(self: Trainer, saved: object) -> None:
        start(self, saved)  # type: ignore[arg-type]
        peer = self._running.objective.peer if self._running else None
        assert peer is not None
        starts.append(copy.deepcopy(peer.state_dict()))

    def finishing(self: Running) -> object:
        state = finish(self)
        assert state is not None
        ends.append(copy.deepcopy(state))
        return state

    made = recipe(stages=stages, evaluation=["classifier"], validate_every=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_start_stage", starting)
        patch.setattr(Running, "peer_state", finishing)
        run(parse_recipe(made), folder=tmp_path)
    metrics = read_metrics(tmp_path)
    assert metrics["train/co_teaching/kept"][0][1] == 1
    assert 0 < metrics["selection/trusted"][0][1] <= 1
    name = "classifier.linear.weight"
    assert not torch.equal(starts[0][name], ends[0][name])  # it learns
    assert any(torch.equal(starts[1][name], end[name]) for end in ends)  # and goes on
