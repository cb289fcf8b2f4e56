"""The contract of an objective's terms."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.feed.base import Group
from supcon_ext.models.heads.dino import DinoHead
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.network import Network, build_network
from supcon_ext.models.tokens import TokenBackbone
from supcon_ext.objectives.base import Beliefs, Objective, StepBatch, Term, TrainingFacts
from supcon_ext.seeding import seeded_generator, seeded_weights
from supcon_ext.selectors.label import Label
from supcon_ext.testing.bank import CLASSES, DIM, FEATURES, NAMES, SAMPLES, bank
from supcon_ext.testing.contract import Contract, pristine, same
from supcon_ext.training.declared_state import declared_keys

CONTRACT = Contract("term")
DRAWS = "`batch.generator`"
SIDE, VIEWS, EPOCHS, BATCH = 4, 2, 6, 16
CAPTIONS = tuple(f"caption {number}" for number in range(6))


def check_term(term: Term, columns: Mapping[str, Tensor] | None = None) -> None:
    """Check that a term keeps the contract that the trainer and a resumed run rely on.

    A finite scalar loss with a gradient, scalars to log; a refresh that looks at what ``requires``
    names and at nothing else; state that is made in ``__init__`` and ``setup`` and that a
    checkpoint, written inside an epoch, carries to a fresh instance, which goes on the same; no
    draw from a global generator. The term is copied first and not changed.

    Args:
        term: The term to check, as a recipe makes it; it must take batches of unnamed views.
        columns: ``(24, ...)`` tensors for the manifest columns that it reads, one value for each of
            24 samples. There is one of six captions, "caption 0" to "caption 5".

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    columns = {"caption": torch.arange(SAMPLES) % len(CAPTIONS), **(columns or {})}
    unknown = sorted(term.requires - set(NAMES))
    CONTRACT.expect(not unknown, f"`requires` must be of {', '.join(NAMES)}, but names {unknown}")
    new = pristine(term)
    first = _Run(new, columns)
    first.refresh(0)
    first.step(0, 0)
    with CONTRACT.class_unchanged(term):
        run = _Run(new, columns)
        declared = declared_keys(run.objective)
        with CONTRACT.world(0, DRAWS):
            for epoch in range(3):
                run.refresh(epoch)
                run.step(epoch, 0)
                CONTRACT.same_keys(run.objective, declared)
            saved = CONTRACT.through_file(run.state())
            told = run.rest()
        with CONTRACT.world(1, DRAWS):
            resumed = _Run(new, columns)
            resumed.load(saved)
            later = resumed.rest()
    CONTRACT.expect(
        same(told, later),
        "loss and state must go on the same after a state round trip into a fresh instance, which "
        "is what a resumed run has. Try: keep what `refresh` and `forward` gather in buffers that "
        "`setup` registers, or in `get_extra_state`",
    )


class _Run:
    """A term at work in a process of its own, with a network that does not learn."""

    def __init__(self, new: Callable[[], Term], columns: Mapping[str, Tensor]) -> None:
        self.columns = columns
        self.network = _network(0)
        self.twin = _network(1)
        self.beliefs = Beliefs(
            torch.arange(SAMPLES) % CLASSES,
            torch.ones(SAMPLES),
            torch.zeros(SAMPLES, dtype=torch.int8),
            columns,
        )
        self.generator = seeded_generator(3)
        self.term = new()
        self.objective = Objective({"term": self.term})
        with seeded_weights(0, "check"):
            self.term.setup(
                TrainingFacts(
                    samples=SAMPLES,
                    classes=CLASSES,
                    counts=torch.bincount(self.beliefs.label, minlength=CLASSES),
                    dim=DIM,
                    features=FEATURES,
                    epochs=EPOCHS,
                    selector=self.term.selector_in_use or Label(),
                    network=self.network,
                    captions=CAPTIONS,
                    new_network=lambda name: _network(2),
                )
            )

    def refresh(self, epoch: int) -> None:
        """Show what the term requires in this epoch, and nothing else."""
        requires = self.term.requires if self.term.due(epoch) else frozenset[str]()
        shown = bank(requires, self.columns, seed=epoch)
        try:
            made = self.objective.refresh(shown, epoch)
        except ValueError as error:
            if str(error).startswith("term `"):
                raise AssertionError(f"term contract: {error}") from error
            raise _unasked(requires, error) from error
        except (AttributeError, TypeError) as error:
            raise _unasked(requires, error) from error
        if made is not None:
            self.beliefs.label, self.beliefs.trust = made.label, made.trust
            self.beliefs.role, self.beliefs.posterior = made.role, made.posterior

    def step(self, epoch: int, step: int) -> list[Any]:
        """One step's loss, numbers and gradients."""
        drawn = torch.Generator().manual_seed(100 * epoch + step)
        index = torch.randperm(SAMPLES, generator=drawn)[:BATCH]
        images = torch.randn(VIEWS * BATCH, 1, SIDE, SIDE, generator=drawn)
        groups = {"views_0": Group(images, index.repeat(VIEWS), VIEWS)}
        progress = (epoch + step / 2) / EPOCHS
        batch = StepBatch(
            groups, self.beliefs, self.network, self.twin, epoch, step, progress, self.generator
        )
        with CONTRACT.border():
            loss, stats = self.objective(batch)
        CONTRACT.expect(
            bool(loss.isfinite()), f"the loss must be finite, but is {float(loss.detach())}"
        )
        CONTRACT.expect(
            loss.requires_grad, "the loss must have a gradient, to the network or to the term"
        )
        leaves = [*self.network.parameters(), *self.term.parameters()]
        made = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
        CONTRACT.expect(
            all(bool(part.isfinite().all()) for part in made), "gradients must be finite"
        )
        return [loss.detach(), stats, list(made)]

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        network, beliefs = self.network.state_dict(), self.beliefs
        return {
            "objective": copy.deepcopy(self.objective.state_dict()),
            "network": copy.deepcopy(network),
            "samples": [beliefs.label, beliefs.trust, beliefs.role, beliefs.posterior],
            "generator": self.generator.get_state(),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.objective.load_state_dict(saved["objective"])
        self.network.load_state_dict(saved["network"])
        label, trust, role, posterior = saved["samples"]
        self.beliefs = Beliefs(label, trust, role, self.columns, posterior)
        self.generator.set_state(saved["generator"])

    def rest(self) -> list[Any]:
        """The rest of the epoch, and two more."""
        told = [self.step(2, 1)]
        for epoch in (3, 4):
            self.refresh(epoch)
            told += [self.step(epoch, step) for step in range(2)]
        return [told, self.state()]


def _unasked(requires: frozenset[str], error: Exception) -> AssertionError:
    return AssertionError(
        "term contract: name in `requires` whatever `refresh` reads of the bank: of one that holds "
        f"{sorted(requires) or 'nothing'} beside labels, it fails with "
        f"{type(error).__name__}: {error}"
    )


class _Tokens(TokenBackbone):
    """A small encoder without attention that hands out tokens: one linear map of each patch."""

    def __init__(self, channels: int) -> None:
        trunk = nn.Sequential(nn.Flatten(), nn.Linear(channels * SIDE * SIDE, FEATURES), nn.Tanh())
        super().__init__(trunk, FEATURES)

    @property
    def token_dim(self) -> int:
        """Of one patch, a quarter of the image."""
        return FEATURES

    @property
    def patch_dim(self) -> int:
        """Pixels of a patch."""
        return SIDE

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns."""
        return height // 2, width // 2

    def tokens(
        self, images: Tensor, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features of the image with holes, and of it with all but one patch blackened."""
        count = len(images)
        patches = functional.unfold(images, 2, stride=2).transpose(1, 2)
        if mask is not None and mask_token is not None:
            patches = torch.where(mask[..., None], mask_token, patches)
        places = patches.shape[1]
        alone = patches[:, None] * torch.eye(places)[None, :, :, None]
        pictures = torch.cat([patches[:, None], alone], 1).flatten(0, 1)
        seen = functional.fold(pictures.transpose(1, 2), SIDE, 2, stride=2)
        told = self(seen).unflatten(0, (count, 1 + places))
        return told[:, 0], told[:, 1:]


def _network(seed: int) -> Network:
    def small(in_dim: int, classes: int) -> MLP:
        return MLP(in_dim, hidden=8, dim=DIM)

    def patch_head(in_dim: int, classes: int) -> DinoHead:
        return DinoHead(in_dim, prototypes=6, hidden=8, bottleneck=4)

    return build_network(
        _Tokens,
        1,
        CLASSES,
        projector=small,
        predictor=small,
        patch_head=patch_head,
        seed=seed,
    )
