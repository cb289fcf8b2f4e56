"""Terms on two gloo processes against one: the same losses, gradients and estimates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional

from supcon_ext.losses.gather import world_size
from supcon_ext.models.heads.linear import LinearClassifier
from supcon_ext.models.network import Outputs
from supcon_ext.objectives import StepBatch, Term
from supcon_ext.objectives.base import Beliefs, TermResult, TrainingFacts
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.dynamic_bootstrap import DynamicBootstrap
from supcon_ext.objectives.elr import ElrRegulariser
from supcon_ext.objectives.mixing import Mix
from supcon_ext.objectives.paco import PaCo
from supcon_ext.objectives.proco import ProCo
from supcon_ext.objectives.sub_class import SubClassContrastive
from supcon_ext.objectives.teacher_contrast import TeacherContrast
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.label import Label
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.deferred import Deferred
from supcon_ext.weightings.prototype_softmax import PrototypeSoftmax
from supcon_ext.weightings.tsc import TSC
from tests.objectives.steps import ViewsOf
from tests.several import in_processes

STEPS, BATCH = 2, 7
LABEL = torch.tensor([0, 0, 1, 1, 0, -1, 2, 1, 0, 2, 1, 0, 0, 1])
TRUST = torch.tensor([1.0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1])
CAPPED: dict[str, Any] = {"positives_cap": 0, "surplus": "negative"}  # nothing is left to draws
FACTS = TrainingFacts(14, 3, torch.tensor([6, 5, 2]), dim=4, features=4)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 4)
        self.classifier = LinearClassifier(4, 3)

    def forward(self, images: torch.Tensor) -> Outputs:
        out = self.linear(images.flatten(1))
        return Outputs(out, functional.normalize(out, dim=1), self.classifier(out))


class UnmixedBootstrap(DynamicBootstrap):
    """Each image mixed with itself, since who meets whom depends on the share of the batch."""

    def forward(self, batch: StepBatch) -> TermResult:
        rows = len(batch.rows(None))
        mix = Mix(torch.arange(rows), torch.ones(rows), None)
        batch._mixes[(self.mixup, 0.0)] = mix, batch.outputs()
        return super().forward(batch)


def results(share: slice) -> dict[str, Any]:
    """Losses and gradients of some steps, of which this process has a share of each batch."""
    found: dict[str, Any] = {}
    made: dict[str, Term] = {
        "paco": PaCo(queue=30, alpha=0.3, prior="trusted"),
        "proco": ProCo(),
        "sub_class": SubClassContrastive(warmup=0, size=1),
        "balanced": Contrastive("label", Balanced(hidden=5, unknown=0.5)),
        "printed": Contrastive("label", Balanced(hidden=5, gamma=0.3, count="printed"), queue=9),
        "prototype_softmax": Contrastive("label", PrototypeSoftmax(hidden=5)),
        "capped": Contrastive("label", Balanced(hidden=5), queue=9, **CAPPED),
        "deferred": Contrastive("label", Deferred(PrototypeSoftmax(hidden=5), 0.0), **CAPPED),
        "targets": Contrastive("label", TSC(start=0.0, seed=7), queue=9, **CAPPED),
        "dynamic_bootstrap": UnmixedBootstrap(),
        "elr": ElrRegulariser(),
        "teacher": TeacherContrast("label", Balanced(hidden=5), positives_cap=0),
        "local": TeacherContrast("label", Balanced(prototypes=False), local_views="b"),
    }
    made["local"].views = "a"
    images = torch.randn(2, 14, 1, 2, 2, generator=torch.Generator().manual_seed(3))
    for name, term in made.items():
        torch.manual_seed(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("supcon_ext.weightings.tsc.STEPS", 20)  # of a seed that no other test has
            term.setup(replace(FACTS, selector=Label()))
        net, twin = Tiny(), Tiny()
        z = images[0].flatten(1)
        term.refresh(SampleBank(torch.arange(14), LABEL.clamp(min=0), 3, z=z), 0)
        for step in range(STEPS):
            index = torch.arange(step * BATCH, (step + 1) * BATCH)[share]
            samples = Beliefs(LABEL, TRUST, torch.zeros(14, dtype=torch.int8))
            names = ("a", "b") if name == "local" else ("a", "a")
            batch = ViewsOf(images[:, index], names, index, samples, net, twin, 0, step)
            learnt = [*net.parameters(), *term.parameters()]
            for parameter in learnt:
                parameter.grad = None
            loss = term(batch).loss
            loss.backward()
            grads = [p.grad for p in learnt if p.grad is not None]
            if world_size() > 1:  # as DistributedDataParallel does
                for grad in grads:
                    dist.all_reduce(grad)
                    grad /= world_size()
            found[f"{name}/{step}"] = loss.detach(), [grad.clone() for grad in grads]
        found[name] = dict(term.state_dict())
    return found


def work(rank: int) -> dict[str, Any]:
    return results(slice(0, 4) if rank == 0 else slice(4, BATCH))


def test_two_processes_equal_one(tmp_path: Path) -> None:
    expected = results(slice(0, BATCH))
    for found in in_processes(work, 2, tmp_path):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
