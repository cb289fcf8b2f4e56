"""One step as the terms see it: groups of rows, and the passes of the network over them.

Shape letters: R rows of all groups, group after group and view after view; n rows of a selection of
them; F features, D projection, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import AfterValidator, Field
from torch import Tensor

from supcon_ext.feed.base import Batch
from supcon_ext.losses.mixup import mixed_rows
from supcon_ext.losses.rows import Rows, Source
from supcon_ext.models.network import Outputs
from supcon_ext.models.source_norms import rows_by_source
from supcon_ext.objectives.beliefs import Beliefs
from supcon_ext.objectives.mixing import Mix, draw_mix, mix_images

Forward = Callable[[Tensor], Outputs]

NO_TWIN = "Expected an EMA twin, but the recipe has none. Try: model.ema=0.99"

SomeSamples = Literal["confident", "unconfident", "real", "synthetic"]
OPPOSITES = ({"confident", "unconfident"}, {"real", "synthetic"})


def _some(samples: tuple[SomeSamples, ...]) -> tuple[SomeSamples, ...]:
    for pair in OPPOSITES:
        if pair <= set(samples):
            raise ValueError(
                f"Expected what a sample may be at once, but got {' and '.join(sorted(pair))}"
            )
    return samples


AllOf = Annotated[tuple[SomeSamples, ...], Field(min_length=1), AfterValidator(_some)]
Samples = Literal["all"] | SomeSamples | AllOf
"""Which rows a term is about: those that are trusted above 0.5 or not, or of one source; of a list,
those that are all of it, such as ``[confident, real]``."""


def source_meant(samples: Samples) -> Source | None:
    """The source that all meant rows are of; None where they may be of any."""
    told = {samples} if isinstance(samples, str) else set(samples)
    if "real" in told:
        return Source.REAL
    return Source.SYNTHETIC if "synthetic" in told else None


def meant_by(samples: Samples, trust: Tensor, source: Tensor) -> Tensor | None:
    """``(n,)`` bool: rows of this trust and source that are meant; None where all are."""
    if samples == "all":
        return None
    told = (samples,) if isinstance(samples, str) else samples
    return torch.stack([_is(each, trust, source) for each in told]).all(0)


def _is(kind: str, trust: Tensor, source: Tensor) -> Tensor:
    if kind in ("confident", "unconfident"):
        confident = trust > 0.5
        return confident if kind == "confident" else ~confident
    return source == int(Source.REAL if kind == "real" else Source.SYNTHETIC)


@dataclass(frozen=True, slots=True)
class GroupRows:
    """Rows of a step that a term looks at: a view group, or all of them.

    Attributes:
        place: Where they stand among the step's R rows.
        sizes: Rows of each view, one view after the other.
        sample: ``(n,)`` int64 places in the training set.
        beliefs: What is believed of every sample.
    """

    place: slice
    sizes: tuple[int, ...]
    sample: Tensor
    beliefs: Beliefs

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def label(self) -> Tensor:
        """``(n,)`` int64 working labels, -1 where unknown."""
        return self.beliefs.label[self.sample]

    @property
    def trust(self) -> Tensor:
        """``(n,)`` float32 in [0, 1]."""
        return self.beliefs.trust[self.sample]

    @property
    def source(self) -> Tensor:
        """``(n,)`` int8, a :class:`~supcon_ext.losses.rows.Source`."""
        known = self.beliefs.source
        if known is None:
            return torch.full_like(self.sample, int(Source.REAL), dtype=torch.int8)
        return known[self.sample]

    def views(self, start: int, stop: int | None = None) -> GroupRows:
        """The rows of some of the views."""
        sizes = self.sizes[start:stop]
        first = sum(self.sizes[:start])
        mine = slice(first, first + sum(sizes))
        place = slice(self.place.start + mine.start, self.place.start + mine.stop)
        return GroupRows(place, sizes, self.sample[mine], self.beliefs)

    def partners(self, mix: Mix) -> tuple[Tensor, Tensor]:
        """Who each row is mixed with, ``(n,)`` places among these rows, and its own share."""
        device = self.sample.device
        partner = mix.partner[self.place].to(device) - self.place.start
        return partner, mix.share[self.place].to(device)

    def rows(self, z: Tensor, mix: Mix | None = None) -> Rows:
        """The rows as losses see them, with what is believed of each.

        Args:
            z: ``(n, D)`` embeddings.
            mix: If they are of mixed inputs: they then carry what is known of their partners too.
        """
        index = self.sample
        rows = Rows(
            z=z,
            label=self.label,
            index=index,
            uid=torch.arange(len(self), device=z.device),
            source=self.source,
            trust=self.trust.float(),
            columns={name: each[index] for name, each in self.beliefs.row_columns().items()},
        )
        if mix is None:
            return rows
        partner, share = self.partners(mix)
        return mixed_rows(rows, rows.detached().rows(partner), share)

    def by_sample(self, values: Tensor) -> Tensor:
        """``(B,)`` means over the views of each sample of ``(n,)`` values.

        Raises:
            ValueError: Views are of different samples.
        """
        views = len(self.sizes)
        samples = (
            torch.unflatten(self.sample, 0, (views, -1)) if len(set(self.sizes)) == 1 else None
        )
        if samples is None or not bool((samples == samples[0]).all()):
            raise ValueError(
                "Expected views of the same samples, but got groups of different ones. "
                "Try: `views`, to name one group"
            )
        return torch.unflatten(values, 0, (views, -1)).mean(0)


class StepBatch:
    """One batch as the terms see it. Forward passes are made when first asked for, and shared.

    Inputs of one size go through the network together, in the order of their groups; those of
    another size in a pass of their own.

    Args:
        groups: The step's rows by the name of their view group.
        beliefs: What is believed of every training sample.
        network: Maps inputs ``(n, ...)`` to :class:`~supcon_ext.models.network.Outputs`.
        twin: The EMA twin, in the same form, without gradient; None where the recipe has none.
        epoch: Epochs of this stage that are done, from 0.
        step: Steps of this epoch that are done, from 0.
        progress: Share of the stage that is done, in [0, 1).
        generator: For random draws of this process; kept in the checkpoint.
    """

    def __init__(
        self,
        groups: Batch,
        beliefs: Beliefs,
        network: Forward,
        twin: Forward | None,
        epoch: int,
        step: int,
        progress: float,
        generator: torch.Generator,
    ) -> None:
        self.groups = groups
        self.beliefs = beliefs
        self.epoch = epoch
        self.step = step
        self.progress = progress
        self.generator = generator
        self._network = network
        self._twin = twin
        self._outputs: Outputs | None = None
        self._twin_passes: dict[str, tuple[Outputs, Tensor | None]] = {}
        self._mixes: dict[tuple[float, float], tuple[Mix, Outputs]] = {}

    @property
    def inputs(self) -> list[Tensor]:
        """``(n, ...)`` inputs of each group."""
        return [group.x for group in self.groups.values()]

    def synthetic(self, name: str | None = None) -> list[Tensor] | None:
        """``(n,)`` bool of the rows of each group, or of one; None where all are real."""
        source = self.beliefs.source
        if source is None:
            return None
        chosen = list(self.groups.values()) if name is None else [self.groups[name]]
        return [source[group.sample] == int(Source.SYNTHETIC) for group in chosen]

    def rows(self, name: str | None) -> GroupRows:
        """The rows of one view group; of all groups for None.

        Raises:
            ValueError: No group has this name.
        """
        if name is not None and name not in self.groups:
            raise ValueError(
                f"Expected `views` to name one of {sorted(self.groups)}, but got '{name}'"
            )
        ends = list(accumulate((len(group.sample) for group in self.groups.values()), initial=0))
        places = {each: slice(*ends[k : k + 2]) for k, each in enumerate(self.groups)}
        place = slice(0, ends[-1]) if name is None else places[name]
        chosen = list(self.groups.values()) if name is None else [self.groups[name]]
        return GroupRows(
            place=place,
            sizes=tuple(size for group in chosen for size in [group.samples] * group.views),
            sample=torch.cat([group.sample for group in chosen]),
            beliefs=self.beliefs,
        )

    def outputs(self) -> Outputs:
        """Features ``(R, F)``, projections ``(R, D)``, logits ``(R, C)`` of all rows."""
        if self._outputs is None:
            self._outputs = passes(self._network, self.inputs, self.synthetic())
        return self._outputs

    def twin_outputs(self, name: str | None = None) -> Outputs:
        """The same of the EMA twin, without gradient: of one view group alone, or of all rows."""
        made = [self._twin_pass(each)[0] for each in self._named(name)]
        return made[0] if len(made) == 1 else Outputs.cat(made)

    def _named(self, name: str | None) -> list[str]:
        return list(self.groups) if name is None else [name]

    @torch.no_grad()
    def _twin_pass(self, name: str) -> tuple[Outputs, Tensor | None]:
        """The twin's only pass over a view group: outputs, and tokens where it has a head for them.

        Group by group, so that it does not matter which term asks first, and for which groups.
        """
        if self._twin is None:
            raise ValueError(NO_TWIN)
        if name not in self._twin_passes:
            told = self.synthetic(name)
            with rows_by_source(self._twin, None if told is None else told[0]):
                self._twin_passes[name] = _with_tokens(self._twin, self.groups[name].x)
        return self._twin_passes[name]

    def inputs_of(self, name: str | None) -> Tensor:
        """``(n, ...)`` inputs of one view group, or of all.

        Raises:
            ValueError: All are asked for, and groups differ in size.
        """
        chosen = self.inputs if name is None else [self.groups[name].x]
        if len({tuple(x.shape[1:]) for x in chosen}) > 1:
            raise ValueError(
                "Expected views of one size, but got groups of several. Try: `views`, to name one"
            )
        return chosen[0] if len(chosen) == 1 else torch.cat(chosen)

    def patch_grid(self, images: Tensor) -> tuple[int, int]:
        """Rows and columns of patches that the network makes of images."""
        grid: Any = getattr(getattr(self._network, "backbone", None), "grid", _no_tokens)
        found: tuple[int, int] = grid(*images.shape[-2:])
        return found

    def token_scores(
        self, images: Tensor, mask: Tensor, mask_token: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores of features and hidden patches of images with holes, not shared between terms.

        Args:
            images: ``(n, ...)`` of one size.
            mask: ``(n, T)`` bool, hidden patches.
            mask_token: What stands in their place.
        """
        scores: Any = getattr(self._network, "token_scores", _no_tokens)
        found: tuple[Tensor, Tensor] = scores(images, mask, mask_token)
        return found

    @torch.no_grad()
    def twin_token_scores(self, images: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same of the EMA twin, which sees the images whole, without gradient."""
        if self._twin is None:
            raise ValueError(NO_TWIN)
        scores: Any = getattr(self._twin, "token_scores", _no_tokens)
        found: tuple[Tensor, Tensor] = scores(images, mask, None)
        return found

    @torch.no_grad()
    def twin_scores(self, name: str | None, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the pass of :meth:`twin_outputs`, of all rows of one view group or of all.

        Args:
            name: The group; None for all, which are then of one size.
            mask: ``(n, T)`` bool, the patches that are looked at.
        """
        made = [self._twin_pass(each) for each in self._named(name)]
        tokens = [part for _, part in made if part is not None]
        if not tokens:
            _no_tokens()
        features = torch.cat([outputs.features for outputs, _ in made])
        twin: Any = self._twin
        found: tuple[Tensor, Tensor] = twin.scores(features, torch.cat(tokens)[mask])
        return found

    def mixed(self, mixup: float, cutmix: float) -> tuple[Mix, Outputs]:
        """A pass over mixed inputs: who was mixed with whom, how much, and the outputs.

        Args:
            mixup: Alpha of Mixup (Zhang et al. 2018); 0 leaves it out.
            cutmix: Alpha of CutMix (Yun et al. 2019); 0 leaves it out. With both, each batch draws
                one.
        """
        key = (mixup, cutmix)
        if key not in self._mixes:
            views = [view for x, g in zip(self.inputs, self.groups.values(), strict=True)
                     for view in x.chunk(g.views)]  # fmt: skip
            mix = draw_mix([tuple(view.shape) for view in views], mixup, cutmix, self.generator)
            mixed = mix_images(views, mix)
            told = self.synthetic()
            if told is not None:  # a mixed row is of its first image's source
                groups = zip(told, self.groups.values(), strict=True)
                told = [part for each, group in groups for part in each.chunk(group.views)]
            self._mixes[key] = mix, passes(self._network, mixed, told)
        return self._mixes[key]

    @property
    def class_vectors(self) -> Tensor | None:
        """``(C, F)`` the classifier's weights, with gradient; None where the network has none."""
        classifier = getattr(self._network, "classifier", None)
        return None if classifier is None else cast(Tensor, classifier.weight_CF)


def _with_tokens(network: Any, images: Tensor) -> tuple[Outputs, Tensor | None]:
    """A pass, and its tokens where the network can tell them."""
    both = getattr(network, "with_tokens", None)
    return (network(images), None) if both is None else both(images)


def _no_tokens(*given: Any) -> Any:
    raise ValueError("Expected a network that hands out tokens, but got none")


def passes(
    network: Forward, inputs: Sequence[Tensor], synthetic: Sequence[Tensor] | None = None
) -> Outputs:
    """Outputs of several inputs ``(n, ...)`` in order; those of one size go in one pass.

    Args:
        network: Makes the passes.
        inputs: One or more.
        synthetic: ``(n,)`` bool of the rows of each; None where all are real.
    """
    sizes: dict[tuple[int, ...], list[int]] = {}
    for number, x in enumerate(inputs):
        sizes.setdefault(tuple(x.shape[1:]), []).append(number)
    made: dict[int, Outputs] = {}
    for members in sizes.values():
        parts = [inputs[k] for k in members]
        told = None if synthetic is None else torch.cat([synthetic[k] for k in members])
        with rows_by_source(network, told):
            whole = network(parts[0] if len(parts) == 1 else torch.cat(parts))
        if len(sizes) == 1:
            return whole
        made.update(zip(members, whole.split([len(part) for part in parts]), strict=True))
    return Outputs.cat([made[k] for k in range(len(inputs))])
