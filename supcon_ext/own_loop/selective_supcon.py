"""Selectors, weightings and the loss without a recipe: one object for a training loop of one's own.

    believed = SelectiveSupCon(labels, dim=128, selector="gmm", weighting="balanced", epochs=20)
    for epoch in range(20):
        believed.new_epoch(logits=logits_of_every_training_sample)
        for x, index in loader:                      # index: places in the training set
            loss = believed(projections(x), index)   # (B, V, D) and (B,)

Shape letters: N training samples, C classes, F features, D projection; B samples of a batch, V
views of each, n rows of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from data_tools.registry import part_name
from supcon_ext.feed.base import Group
from supcon_ext.losses.gather import process_rank
from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs, StepBatch, TermResult, TrainingFacts
from supcon_ext.own_loop.loop_term import loop_term
from supcon_ext.own_loop.packed_state import pack, unpack
from supcon_ext.own_loop.told_rows import in_order, whole_numbers
from supcon_ext.seeding import seeded_generator, seeded_weights
from supcon_ext.selectors.base import PositiveSelector, Selection
from supcon_ext.training.bank import make_bank
from supcon_ext.weightings.base import Weighting

TOLD = ("features", "z", "logits", "peer_logits")
"""What :meth:`SelectiveSupCon.new_epoch` is told of every sample."""


class SelectiveSupCon(nn.Module):
    """Whom to believe, and the supervised contrastive loss that follows, in one's own loop.

    It is the term `contrastive` of recipes: the same selectors, weightings and loss, and the same
    numbers. Tell it at the start of each epoch what the network says of every training sample
    (:meth:`new_epoch`; :attr:`wants` says what it needs), and call it in each step. It is a module:
    give its parameters to the optimiser (some weightings learn), move it with ``to``, and save it
    with ``state_dict``.

    Args:
        labels: ``(N,)`` given labels of the training set in [0, C): a tensor, an array or a list.
        classes: C; None takes the largest label.
        dim: D, length of the embeddings that steps give.
        features: F, length of a class vector, for weightings that make prototypes of the
            classifier's.
        selector: Name, mapping with ``kind``, or object.
        weighting: The same.
        epochs: Of the loop; some weightings set in after a share of them.
        steps: Of an epoch, which makes that share exact; None counts whole epochs.
        columns: Further ``(N, ...)`` tensors of what is known of each sample, for selectors that
            name one.
        truth: ``(N,)`` true labels, for the selector ``oracle`` alone.
        neighbours: How neighbours are searched: ``exact`` or ``faiss``.
        seed: Of all that is drawn.
        settings: Further ones of the term `contrastive`: ``temperature``, ``form``, ``queue``,
            ``min_per_class``, ...

    Attributes:
        label: ``(N,)`` int64 working labels now: given or corrected.
        trust: ``(N,)`` float32 in [0, 1] how far each is believed now; 1 before a selection.
        role: ``(N,)`` int8 :class:`~supcon_ext.Role` now.
        posterior: ``(N, C)`` float32 P(true class) where the selector gives it, else None.
        epoch: Of the loop, from 0; -1 before the first.
        step: Steps of the epoch that are done.

    Raises:
        ValueError: A name or a setting is wrong, parts do not go together, or a loop cannot give
            what they need.
    """

    label: Tensor
    trust: Tensor
    role: Tensor

    def __init__(
        self,
        labels: Any,
        classes: int | None = None,
        *,
        dim: int,
        features: int = 0,
        selector: PositiveSelector | str | Mapping[str, Any] = "label",
        weighting: Weighting | str | Mapping[str, Any] = "uniform",
        epochs: int = 1,
        steps: int | None = None,
        columns: Mapping[str, Tensor] | None = None,
        truth: Any = None,
        neighbours: Literal["exact", "faiss"] = "exact",
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__()
        given = whole_numbers(labels, "labels")
        self.classes = int(given.max()) + 1 if classes is None else classes
        if int(given.min()) < 0 or int(given.max()) >= self.classes:
            raise ValueError(
                f"Expected labels in [0, {self.classes}), but got {int(given.min())} to "
                f"{int(given.max())}. Try: the places of the classes in a list of their names"
            )
        self.epochs, self.steps, self.search = epochs, steps, neighbours
        with seeded_weights(seed, "own_loop"):
            self.term = loop_term({"selector": selector, "weighting": weighting, **settings})
            counts = torch.bincount(given, minlength=self.classes)
            self.term.setup(TrainingFacts(len(given), self.classes, counts, dim, features, epochs))
        if any(weight.numel() == 0 for weight in self.term.parameters()):
            raise ValueError(
                "Expected `features`, the length of a class vector, of which "
                f"{part_name('weighting', self.term.weighting)} makes prototypes, but got none. "
                "Try: the width of the classifier's input"
            )
        self._truth = None if truth is None else whole_numbers(truth, "truth", len(given))
        if "truth" in self.term.requires and truth is None:
            raise ValueError(
                f"Expected argument `truth`, the true labels, beside "
                f"{part_name('selector', self.term.selector)}, but got none. "
                "Try: another selector, where they are not known"
            )
        self.given = given
        self.columns = dict(columns or {})
        for name, column in self.columns.items():
            if not isinstance(column, Tensor) or len(column) != len(given):
                raise ValueError(
                    f"Expected a tensor of {len(given)} rows as column `{name}`, one for each "
                    "label, but got another. Try: torch.as_tensor(...)"
                )
        self.register_buffer("label", given.clone())
        self.register_buffer("trust", torch.ones(len(given)))
        self.register_buffer("role", torch.zeros(len(given), dtype=torch.int8))
        self.posterior: Tensor | None = None
        self.epoch, self.step = -1, 0
        self.generator = seeded_generator(seed, process_rank(), 0x5EED)
        self._beliefs: Beliefs | None = None
        hooks: Any = self  # torch has no types for these two
        hooks.register_state_dict_post_hook(pack)
        hooks.register_load_state_dict_pre_hook(unpack)

    @property
    def wants(self) -> frozenset[str]:
        """What the next :meth:`new_epoch` needs: ``features``, ``z``, ``logits``, ``peer_logits``.

        Empty where no selection is due, so that a pass over the training set can be left out.
        """
        if not self.term.due(self.epoch + 1):
            return frozenset()
        needs = self.term.requires - {"truth"}
        return needs - {"loss"} | ({"logits"} if "loss" in needs else set())

    @property
    def progress(self) -> float:
        """Share of the loop that is done, in [0, 1]."""
        within = 0.0 if self.steps is None else min(self.step / self.steps, 1.0)
        return min((max(self.epoch, 0) + within) / self.epochs, 1.0)

    def new_epoch(
        self,
        *,
        features: Tensor | None = None,
        z: Tensor | None = None,
        logits: Tensor | None = None,
        peer_logits: Tensor | None = None,
        index: Any = None,
    ) -> Selection | None:
        """Begin an epoch: let the selector look at the whole training set, and believe it.

        Args:
            features: ``(N, F)`` of the encoder, in evaluation mode and without augmentation.
            z: ``(N, D)`` projections; they are scaled to norm 1.
            logits: ``(N, C)`` of the classifier.
            peer_logits: ``(N, C)`` of a second network, for selectors that compare two.
            index: ``(N,)`` places in the training set that the rows are of, each once; None: they
                are in its order.

        Returns:
            What the selector said; None where it had nothing to say, and nothing changes.

        Raises:
            ValueError: Something that it :attr:`wants` is missing, or has other rows.
        """
        told = {"features": features, "z": z, "logits": logits, "peer_logits": peer_logits}
        missing = sorted(name for name in self.wants if told[name] is None)
        if missing:
            raise ValueError(
                f"Expected {', '.join(missing)} of every training sample, which "
                f"{part_name('selector', self.term.selector)} needs, but got none. "
                f"Try: new_epoch({', '.join(f'{name}=...' for name in sorted(self.wants))})"
            )
        count = len(self.given)
        rows = {
            name: None if each is None else in_order(name, each, index, count)
            for name, each in told.items()
        }
        self.epoch, self.step = self.epoch + 1, 0
        if not self.term.due(self.epoch):
            return None
        peer = rows["peer_logits"]
        bank = make_bank(
            self.term.requires,
            self.given,
            self.classes,
            self._now(),
            lambda: self._outputs(rows),
            None if peer is None else lambda: peer,
            self._truth,
            self.label.device,
            self.search,
        )
        selection = self.term.refresh(bank, self.epoch)
        if selection is not None:
            self.label.copy_(selection.label)
            self.trust.copy_(selection.trust)
            self.role.copy_(selection.role)
            found = selection.posterior
            self.posterior = None if found is None else found.to(self.label.device)
            self._beliefs = None
        return selection

    def forward(
        self,
        z: Tensor,
        index: Any,
        *,
        class_vectors: Tensor | None = None,
        keys: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch: a scalar with gradient; 0 where no anchor has a positive.

        Args:
            z: ``(B, V, D)`` embeddings of V views of B samples, or ``(n, D)`` rows; of any norm.
            index: ``(B,)`` or ``(n,)`` their places in the training set; rows of one sample are
                views of it.
            class_vectors: ``(C, F)`` weights of a linear classifier, with gradient, for weightings
                that make prototypes of them.
            keys: Embeddings of the same views by an EMA twin, for ``queue``.

        Raises:
            ValueError: Shapes do not fit, a place is none of the training set, or something is
                missing.
        """
        return self.details(z, index, class_vectors=class_vectors, keys=keys).loss

    def details(
        self,
        z: Tensor,
        index: Any,
        *,
        class_vectors: Tensor | None = None,
        keys: Tensor | None = None,
    ) -> TermResult:
        """The loss with numbers to log; arguments as in :meth:`forward`."""
        if self.epoch < 0:
            raise ValueError("Expected `new_epoch` before the first step, but got none.")
        if self.term.queue_size and keys is None:
            raise ValueError(
                "Expected `keys`, the embeddings of an EMA twin, beside `queue`, but got none. "
                "Try: queue=0"
            )
        if class_vectors is None and any(True for _ in self.term.parameters()):
            raise ValueError(
                "Expected `class_vectors`, the weights (C, F) of a linear classifier, of which "
                f"{part_name('weighting', self.term.weighting)} makes prototypes, but got none."
            )
        views = z.shape[1] if z.ndim == 3 else 1
        sample = whole_numbers(index, "index").to(z.device)
        if z.ndim not in (2, 3) or sample.shape != z.shape[:1]:
            raise ValueError(
                f"Expected embeddings (B, V, D) and places (B,), or (n, D) and (n,), but got "
                f"{tuple(z.shape)} and {tuple(sample.shape)}."
            )
        if bool((sample < 0).any()) or bool((sample >= len(self.given)).any()):
            raise ValueError(
                f"Expected places of `index` in [0, {len(self.given)}), the training set, but got "
                f"{int(sample.min())} to {int(sample.max())}."
            )
        sample = sample.repeat(views)
        batch = StepBatch(
            {"views": Group(_view_after_view(z), sample, views)},
            self._now(),
            _Given(class_vectors),
            None if keys is None else lambda _: _Given(None)(_view_after_view(keys)),
            self.epoch,
            self.step,
            self.progress,
            self.generator,
        )
        result = cast(TermResult, self.term(batch))
        self.step += self.training
        return result

    def get_extra_state(self) -> dict[str, Any]:
        """Where the loop is; saved with the module."""
        return {
            "samples": len(self.given),
            "epoch": self.epoch,
            "step": self.step,
            "posterior": self.posterior,
            "generator": self.generator.get_state(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: It is the state of another training set.
        """
        if state["samples"] != len(self.given):
            raise ValueError(
                f"Expected the state of a loop over {len(self.given)} training samples, but got "
                f"that of {state['samples']}. Try: the labels that it was made with"
            )
        self.epoch, self.step, found = state["epoch"], state["step"], state["posterior"]
        self.posterior = None if found is None else found.to(self.label.device)
        self.generator.set_state(state["generator"].cpu())
        self._beliefs = None

    def _now(self) -> Beliefs:
        """What is believed, where this module is now."""
        now, device = self._beliefs, self.label.device
        if now is None or now.label is not self.label:
            columns = {name: column.to(device) for name, column in self.columns.items()}
            found = None if self.posterior is None else self.posterior.to(device)
            now = self._beliefs = Beliefs(self.label, self.trust, self.role, columns, found)
        return now

    def _outputs(self, rows: Mapping[str, Tensor | None]) -> Outputs:
        """What was told; of what was not, and so is not needed, nothing but the shape."""
        none = torch.zeros(len(self.given), self.classes)
        features, z, logits = (rows[name] for name in ("features", "z", "logits"))
        return Outputs(
            none if features is None else features,
            none if z is None else functional.normalize(z, dim=1),
            none if logits is None else logits,
        )


class _Given:
    """Stands for the network: what it said of the batch is there already."""

    def __init__(self, class_vectors: Tensor | None) -> None:
        vectors = class_vectors
        self.classifier = None if vectors is None else SimpleNamespace(weight_CF=vectors)

    def __call__(self, z: Tensor) -> Outputs:
        return Outputs(z, functional.normalize(z, dim=1), z)


def _view_after_view(z: Tensor) -> Tensor:
    return z if z.ndim == 2 else z.transpose(0, 1).flatten(0, 1)
