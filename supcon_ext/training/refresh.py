"""The look at the whole training set at the start of an epoch, after which beliefs may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from supcon_ext.models.network import Outputs
from supcon_ext.selectors.unlabelled import first_of
from supcon_ext.training.bank import make_bank
from supcon_ext.training.observers import Refreshed
from supcon_ext.training.one_network import agree

if TYPE_CHECKING:
    from supcon_ext.training.loop import Trainer


def refresh(trainer: Trainer) -> dict[str, float]:
    """Let the objective look at what it requires; what it selects is believed from here on.

    Returns:
        Numbers to log of the selection; none where nothing was selected.
    """
    objective, beliefs, train = trainer.running.objective, trainer.beliefs, trainer.data.train
    agree(objective)
    peer = objective.peer
    passed: list[Outputs] = []

    def outputs() -> Outputs:
        passed.append(trainer.embed(train))
        return passed[-1]

    with trainer.stopping.anywhere():
        bank = make_bank(
            objective.requires_at(trainer.at.epoch),
            beliefs.given,
            beliefs.classes,
            beliefs.now,
            outputs,
            None if peer is None else lambda: trainer.embed(train, peer).logits,
            _truth(trainer),
            trainer.device,
            trainer.settings.neighbours,
            beliefs.real,
        )
    selection = objective.refresh(bank, trainer.at.epoch)
    if selection is None:
        return {}
    beliefs.believe(selection)
    stats = {f"selection/{name}": value for name, value in selection.stats.items()}
    trusted, real = (selection.trust > 0.5).float(), beliefs.real
    if real is not None:
        stats["selection/trusted_synthetic"] = float(trusted[real:].mean())
        trusted = trusted[:real]
    stats["selection/trusted"] = float(trusted.mean())
    if trainer.observe is not None:
        told = passed and objective.trains_classifier
        seen = Refreshed(
            selection=selection if real is None else first_of(selection, real),
            bank=bank if real is None else bank.take(torch.arange(real)),
            selector=objective.selector_in_use,
            stage=trainer.stages[trainer.at.stage].name,
            epoch=trainer.at.epochs_done,
            predicted=passed[0].logits[:real].argmax(1) if told else None,
        )
        stats |= {f"selection/{k}": v for k, v in trainer.observe(seen).items()}
    return stats


def _truth(trainer: Trainer) -> Tensor | None:
    """``(N + M,)`` true labels where the oracle was granted them; synthetic samples have none."""
    truth = trainer.data.truth
    if truth is None:
        return None
    missing = len(trainer.beliefs.given) - len(truth)
    return torch.cat([truth, truth.new_full((missing,), -1)]) if missing else truth
