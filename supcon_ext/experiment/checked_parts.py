"""Parts that are functions, each with a look at what it returns, in the words of its family."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from data_tools.border import check_array, check_type, described, refuse
from data_tools.datasets.base import Splits
from data_tools.noise.base import NoisyLabels
from data_tools.registry import Spec, part_name
from data_tools.samples import ImageArray, IntArray, SampleSet
from supcon_ext.experiment.fitting import expect_fit
from supcon_ext.models.base import Backbone
from supcon_ext.models.heads.base import Head
from supcon_ext.policies.base import View, ViewContext
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.schedules.base import Factor


@dataclass(frozen=True)
class CheckedView:
    """A view whose pictures are looked at. Pickles, so that spawned workers can have it.

    Attributes:
        part: Family and name of the policy.
        view: Draws the pictures.
        shape: What they must have.
    """

    part: str
    view: View
    shape: tuple[int, ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Operations of the policy that the images cannot have, in words."""
        return tuple(getattr(self.view, "left_out", ()))

    def __call__(self, image: ImageArray, key: tuple[int, ...]) -> Tensor:
        """Draw one view.

        Raises:
            ValueError: It is no picture of the right shape.
        """
        return self._checked(self.view(image, key), self.shape)

    def _checked(self, made: Any, shape: tuple[int, ...]) -> Tensor:
        if not isinstance(made, Tensor) or made.shape != shape or not made.dtype.is_floating_point:
            what = "a picture" if len(self.shape) == 3 else "a vector"
            check_array(self.part, what, made, shape, ("float",))
            raise refuse(self.part, f"{what} that is a tensor", described(made))
        return made


class CheckedBatchView(CheckedView):
    """The same of a view that draws those of many vectors at once."""

    def batch(self, x: Tensor, keys: Tensor) -> Tensor:
        """Draw one view of each.

        Raises:
            ValueError: They are no vectors of the right shape.
        """
        made: Any = self.view.batch(x, keys)  # type: ignore[attr-defined]  # `view_of` looked
        return self._checked(made, (len(x), *self.shape))


def view_of(spec: Spec, context: ViewContext | VectorContext) -> CheckedView:
    """A policy's view.

    Raises:
        ValueError: The policy gave no view, or is not for samples of this kind.
    """
    expect_fit(spec, context.spec.kind)
    name = part_name("policy", spec.kind)
    made = spec.bind()(context)
    if not callable(made):
        raise refuse(name, "a view: something to call with an image and a key", described(made))
    checked = CheckedBatchView if hasattr(made, "batch") else CheckedView
    return checked(name, made, getattr(made, "shape", context.shape))


def backbone_of(spec: Spec, kind: str) -> Callable[[int], Backbone]:
    """A backbone's maker, for samples of a kind.

    Raises:
        ValueError: It does not take them.
    """
    expect_fit(spec, kind)

    def make(channels: int) -> Backbone:
        made = spec.bind()(channels)
        name = part_name("backbone", spec.kind)
        check_type(name, "an encoder", made, Backbone, "Backbone(trunk, dim)")
        encoder: Backbone = made
        return encoder

    return make


def head_of(spec: Spec) -> Callable[[int, int], Head]:
    """A head's maker."""

    def make(in_dim: int, classes: int) -> Head:
        made = spec.bind()(in_dim, classes)
        check_type(part_name("head", spec.kind), "a head", made, Head, "a subclass of Head")
        head: Head = made
        return head

    return make


def optimizer_of(spec: Spec) -> Callable[[nn.Module], Optimizer]:
    """An optimiser's maker."""

    def make(module: nn.Module) -> Optimizer:
        made = spec.bind()(module)
        name = part_name("optimizer", spec.kind)
        check_type(name, "an optimiser", made, Optimizer, "one of torch.optim")
        known = {id(parameter) for parameter in module.parameters()}
        for group in made.param_groups:
            if any(id(parameter) not in known for parameter in group["params"]):
                raise refuse(name, "parameters of the module it is given", "others")
        optimizer: Optimizer = made
        return optimizer

    return make


def factor_of(spec: Spec) -> Factor:
    """A schedule's factor.

    Raises:
        ValueError: The schedule gave no function.
    """
    name = part_name("schedule", spec.kind)
    made = spec.bind()()
    if not callable(made):
        raise refuse(name, "a function of position and epochs", described(made))

    def factor(position: float, epochs: float) -> float:
        value = made(position, epochs)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            got = str(value) if number else described(value)
            raise refuse(name, f"a finite factor of at least 0 at epoch {position:g}", got)
        return float(value)

    return factor


def source_of(spec: Spec) -> Splits:
    """A data set.

    Raises:
        ValueError: It gave something else.
    """
    made = spec.bind()()
    advice = "Splits(train=SampleSet(...), test=None, truth_known=False)"
    check_type(part_name("dataset", spec.kind), "a data set", made, Splits, advice)
    source: Splits = made
    return source


def noise_of(spec: Spec) -> Callable[[SampleSet], NoisyLabels]:
    """A noise model."""

    def add(train: SampleSet) -> NoisyLabels:
        made = spec.bind()(train)
        name = part_name("noise", spec.kind)
        check_type(name, "labels with noise", made, NoisyLabels, "NoisyLabels(label, truth)")
        classes = len(train.classes)
        for field, what, low in (("label", "given labels", 0), ("truth", "true labels", -1)):
            values = getattr(made, field)
            check_array(name, what, values, (len(train),), ("int",))
            if len(values) and not low <= values.min() <= values.max() < classes:
                got = f"{values.min()} to {values.max()}"
                raise refuse(name, f"{what} in [{low}, {classes})", got)
        if made.transition is not None:
            check_array(
                name, "a transition matrix", made.transition, (classes, classes), ("float",)
            )
        noisy: NoisyLabels = made
        return noisy

    return add


def imbalance_of(spec: Spec) -> Callable[[IntArray, int], IntArray]:
    """An imbalance."""

    def choose(label: IntArray, classes: int) -> IntArray:
        made = spec.bind()(label, classes)
        name = part_name("imbalance", spec.kind)
        check_array(name, "positions of the images that are kept", made, (None,), ("int",))
        if len(made) and not 0 <= made.min() <= made.max() < len(label):
            got = f"{made.min()} to {made.max()}"
            raise refuse(name, f"positions in [0, {len(label)})", got)
        kept: IntArray = made
        return kept

    return choose
