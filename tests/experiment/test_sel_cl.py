"""Sel-CL and Sel-CL+ end to end: stages, fine-tuning on confident samples alone, resume."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from supcon_ext.experiment import resume, run
from supcon_ext.interrupt import Interrupted
from supcon_ext.recipe import parse_recipe
from supcon_ext.tracking.results import read_metrics, read_results
from supcon_ext.training.loop import Trainer
from tests.experiment.tiny import recipe

OPTIMIZER = {"kind": "sgd", "lr": 0.05}


def sel_cl_plus() -> dict[str, Any]:
    select = {
        "contrastive": {
            "selector": {"kind": "confident_pairs", "neighbours": 20},
            "mixup": 1.0,
            "queue": 300,
            "queue_warmup": 1,
        }
    }
    stages = [
        {
            "name": "warmup",
            "epochs": 1,
            "batch_size": 64,
            "objective": [{"contrastive": {"selector": "instance"}}],
            "optimizer": OPTIMIZER,
        },
        {
            "name": "select",
            "epochs": 2,
            "batch_size": 64,
            "objective": [
                select,
                {"cross_entropy": {"samples": "confident", "mixup": 1.0}},
                {"similarity": {"mixup": 1.0}},
            ],
            "optimizer": OPTIMIZER,
        },
        {
            "name": "finetune",
            "epochs": 2,
            "batch_size": 32,
            "views": {"policy": "weak", "count": 1},
            "objective": [
                {"cross_entropy": {"mixup": 1.0, "bootstrap": 0.2, "bootstrap_after": 1}}
            ],
            "sampler": {"kind": "shuffled", "only": "trusted"},
            "reset": ["classifier"],
            "optimizer": OPTIMIZER,
        },
    ]
    return recipe(stages=stages, evaluation=["classifier"], validate_every=0, plugins=[])


def test_sel_cl_plus_fine_tunes_on_confident_samples(tmp_path: Path) -> None:
    before: list[torch.Tensor] = []
    seen: set[int] = set()
    trusted: set[int] = set()
    step = Trainer._step

    def watched(self: Trainer, stage: Any, running: Any, batch: Any) -> Any:
        if stage.name == "finetune":
            if not seen:
                before.append(self.network.classifier.weight_CF.detach().clone())
                trusted.update((self.beliefs.now.trust > 0.5).nonzero()[:, 0].tolist())
            seen.update(next(iter(batch.values())).sample.tolist())
        return step(self, stage, running, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_step", watched)
        run(parse_recipe(sel_cl_plus()), folder=tmp_path)
    assert seen and seen <= trusted
    metrics = read_metrics(tmp_path)
    steps = [s for s, _ in metrics["train/loss"]]
    assert steps[4] - steps[3] == len(trusted) // 32
    assert "train/similarity/positives" in metrics
    bound = before[0].shape[1] ** -0.5  # a linear layer starts uniform within it
    assert before[0].abs().max() <= bound


@pytest.mark.long
def test_sel_cl_plus_resumes_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(parse_recipe(sel_cl_plus()), folder=tmp_path / "whole")
    whole = read_results(tmp_path / "whole")
    total, step = whole["steps"], Trainer._step
    for stop in (total // 3, total - 2):
        folder = tmp_path / f"stopped{stop}"

        def stopping(self: Trainer, *args: Any, stop: int = stop) -> Any:
            made = step(self, *args)
            if self.at.global_step == stop:
                os.kill(os.getpid(), signal.SIGTERM)
            return made

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_step", stopping)
            with pytest.raises(Interrupted):
                run(parse_recipe(sel_cl_plus()), folder=folder)
        assert resume(folder).results["last"] == whole["last"]
        assert read_metrics(folder)["train/loss"] == read_metrics(tmp_path / "whole")["train/loss"]
