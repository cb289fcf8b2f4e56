"""The loop's pieces, and what it does when something is wrong."""

from __future__ import annotations

import os
import random
import signal
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from supcon_ext.experiment import dry_run, run
from supcon_ext.interrupt import stop_requests
from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs
from supcon_ext.recipe import parse_recipe
from supcon_ext.seeding import seeded_generator
from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_metrics
from supcon_ext.training.averages import Averages
from supcon_ext.training.bank import embed, make_bank
from supcon_ext.training.loop import Trainer
from supcon_ext.training.random_state import (
    random_state,
    restore_random_state,
)
from supcon_ext.training.stage import TrainingData
from tests.experiment.tiny import recipe


def short(**changes: Any) -> dict[str, Any]:
    stage = {
        "name": "train",
        "epochs": 1,
        "batch_size": 128,
        "objective": ["contrastive"],
        "optimizer": {"kind": "sgd", "lr": 0.1},
        **changes,
    }
    return recipe(stages=[stage], evaluation=["knn"], validate_every=0)


def test_training_is_given_true_labels_only_where_an_oracle_asks() -> None:
    assert {field.name: field.default for field in fields(TrainingData)} == {
        "train": MISSING,
        "validation": MISSING,
        "plain": MISSING,
        "labels_hash": MISSING,
        "truth": None,
    }


def test_the_bank_is_computed_only_when_a_part_requires_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    embed_split = Trainer.embed

    def counted(self: Trainer, samples: Any, *others: Any) -> Outputs:
        passes.append(len(samples))
        return embed_split(self, samples, *others)

    monkeypatch.setattr(Trainer, "embed", counted)
    run(parse_recipe(short()), folder=tmp_path / "label")
    assert len(passes) == 3  # train, validation and test, once, at the end
    passes.clear()
    doubting = short(objective=[{"contrastive": {"selector": "doubting"}}])
    run(parse_recipe(doubting), folder=tmp_path / "doubting")
    assert len(passes) == 4
    assert "selection/kept" in read_metrics(tmp_path / "doubting")
    passes.clear()
    seldom = {"selector": "doubting", "refresh_every": 2}
    run(
        parse_recipe(short(epochs=3, objective=[{"contrastive": seldom}])),
        folder=tmp_path / "seldom",
    )
    assert len(passes) == 5  # before the first epoch and the third


def test_the_bank_holds_what_is_required_and_nothing_more() -> None:
    logits = torch.randn(4, 3)
    outputs = Outputs(torch.randn(4, 5), torch.randn(4, 2), logits)
    label = torch.tensor([0, 2, 1, 1])
    samples = Beliefs(label, torch.ones(4), torch.zeros(4), {"scanner": torch.arange(4)})
    bank = make_bank(frozenset({"loss", "z"}), label, 3, samples, lambda: outputs)
    assert bank.features is None and bank.logits is None
    assert bank.z is outputs.z and bank.loss is not None
    by_hand = -logits.log_softmax(1)[torch.arange(4), label]
    torch.testing.assert_close(bank.loss, by_hand)
    assert bank.columns["scanner"].tolist() == [0, 1, 2, 3]

    def never() -> Outputs:
        raise AssertionError("a pass that nobody asked for")

    assert make_bank(frozenset(), label, 3, samples, never).loss is None
    with pytest.raises(ValueError, match="truth"):
        make_bank(frozenset({"truth"}), label, 3, samples, never)


def test_embedding_keeps_the_order_and_the_mode() -> None:
    class Net(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> Outputs:
            assert not self.training
            flat = images.flatten(1)
            return Outputs(flat, flat, flat)

    net = Net().train()
    images = torch.arange(7.0).view(7, 1, 1, 1)

    def loader_of(positions: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(images[part], part) for part in positions.split(3)]

    outputs = embed(net, 7, loader_of, torch.device("cpu"))  # type: ignore[arg-type]
    assert outputs.features.flatten().tolist() == list(range(7))
    assert net.training


def test_a_loss_that_is_not_finite_ends_the_run_and_says_where(tmp_path: Path) -> None:
    wild = short(
        epochs=5,
        objective=["cross_entropy"],
        optimizer={"kind": "sgd", "lr": 1e20},
        schedule="constant",
    )
    with pytest.raises(FloatingPointError, match=r"step \d+.*smaller learning rate"):
        run(parse_recipe(wild), folder=tmp_path)
    last = list(read(tmp_path / "journal.jsonl"))[-1]
    assert getattr(last, "status", None) == "FAILED"


def test_a_batch_larger_than_the_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="batch_size"):
        run(parse_recipe(short(batch_size=4096)), folder=tmp_path)


def test_lonely_anchors_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lonely = short(
        batch_size=2, views={"policy": "weak", "count": 1}, optimizer={"kind": "sgd", "lr": 1e-3}
    )
    run(parse_recipe(lonely), folder=tmp_path)
    assert "had no positive" in capsys.readouterr().err
    assert read_metrics(tmp_path)["train/contrastive/lonely"][0][1] > 0.5


def test_a_dry_run_makes_one_step_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stats = dry_run(parse_recipe(short()))
    assert 0 < stats["loss"] < 20
    assert list(tmp_path.iterdir()) == []


def test_averages_go_on_from_a_checkpoint() -> None:
    whole, first, second = Averages(), Averages(), Averages()
    values = [torch.tensor(v) for v in (0.1, 0.7, 0.3, 0.9)]
    for value in values:
        whole.add({"a": value})
    for value in values[:2]:
        first.add({"a": value})
    second.load_state_dict(first.state_dict())
    for value in values[2:]:
        second.add({"a": value})
    assert second.means() == whole.means()
    second.reset()
    assert second.means() == {}


def test_random_state_round_trip(tmp_path: Path) -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.gauss(0, 1)
    np.random.standard_normal()
    torch.save(random_state(), tmp_path / "state.pt")
    expected = draws()
    draws()
    restore_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert draws() == expected


def test_seeded_generators_differ_by_key_alone() -> None:
    first, again, other = (
        torch.rand((), generator=seeded_generator(*key)) for key in ((1, 2), (1, 2), (2, 1))
    )
    assert first == again != other


def test_a_second_interrupt_stops_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)  # a shell's background job ignores it
    with stop_requests() as stop, stop.held():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_untrained_network_is_not_called_collapsed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supcon_ext.losses.diagnostics.COLLAPSE", 1.0)  # now all is a collapse
    monkeypatch.setattr("supcon_ext.training.health.EQUAL_ROWS", -100.0)
    run(parse_recipe(short()), folder=tmp_path / "one")
    assert "have collapsed" not in capfd.readouterr().err
    run(parse_recipe(short(epochs=2)), folder=tmp_path / "two")
    assert "have collapsed" in capfd.readouterr().err
