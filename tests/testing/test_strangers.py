"""Parts as strangers write them, each with one fault: the check of its family says what to do."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_tools.datasets.base import Splits
from data_tools.input_spec import InputSpec
from data_tools.noise.base import NoisyLabels
from data_tools.prepared import PreparedData
from data_tools.samples import IntArray, SampleSet
from data_tools.synthetic_set import SyntheticSet
from supcon_ext import testing
from supcon_ext.evaluation.base import EvaluationInput, Report
from supcon_ext.losses import PairTile, Rows, WeightPlan
from supcon_ext.models.base import Backbone
from supcon_ext.models.heads.base import Head
from supcon_ext.objectives.base import StepBatch, Term, TermResult
from supcon_ext.policies.base import ViewContext
from supcon_ext.samplers.base import SamplerInput
from supcon_ext.selectors.base import PositiveSelector, SampleBank, SampleSelector, Selection
from supcon_ext.synthetic.filter import FilterInput, FilterVerdict, SyntheticFilter
from supcon_ext.synthetic.generator import Generator
from supcon_ext.synthetic.source import SyntheticSource
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep

# -- selectors ------------------------------------------------------------------------------------


class RunningMean(SampleSelector):
    """Keeps a mean of losses and no `state_dict`."""

    requires = frozenset({"loss"})

    def __init__(self) -> None:
        self.mean: Tensor | None = None

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        loss = bank.need("loss")
        self.mean = loss if self.mean is None else 0.9 * self.mean + 0.1 * loss
        return Selection.of(bank.label, torch.exp(-self.mean), score=-self.mean)


class Unasked(SampleSelector):
    """Reads features that it does not require, through `need`."""

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection.of(bank.label, bank.need("features")[:, 0].sigmoid())


class UnaskedField(SampleSelector):
    """The same by the attribute, beside something that it requires."""

    requires = frozenset({"loss"})

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection.of(bank.label, bank.features[:, 0].sigmoid())  # type: ignore[index]


class Opportunist(SampleSelector):
    """Reads features only where another part has asked for them."""

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        trust = torch.ones(len(bank)) if bank.features is None else bank.features[:, 0].sigmoid()
        return Selection.of(bank.label, trust)


class Lottery(SampleSelector):
    """Draws from torch's global generator."""

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection.of(bank.label, torch.rand(len(bank)))


class ArrayState(RunningMean):
    """Gives a state that a checkpoint cannot carry."""

    def state_dict(self) -> dict[str, Any]:
        return {"mean": None if self.mean is None else self.mean.numpy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.mean = None if state["mean"] is None else torch.from_numpy(state["mean"])


class OnTheClass(SampleSelector):
    """Keeps what it has seen on the class."""

    seen: ClassVar[list[int]] = []

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        self.seen.append(epoch)
        return Selection.of(bank.label, torch.full((len(bank),), 1 / len(self.seen)))


class ShortTrust(SampleSelector):
    def select(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection(torch.ones(10), bank.label, torch.zeros(len(bank), dtype=torch.int8))


# -- weightings -----------------------------------------------------------------------------------


class Plain(Weighting):
    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        return WeightPlan()


class KeepsVectors(Plain):
    """What the balanced weighting once did."""

    def observe(self, step: WeightingStep) -> None:
        self.vectors = step.class_vectors


class CountsSteps(Plain):
    """Gathers in an attribute that is in no state."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def observe(self, step: WeightingStep) -> None:
        self.steps += 1

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        weight = torch.linspace(1, 1 + self.steps, len(anchors))
        return WeightPlan(anchor=weight)


class LateBuffer(Plain):
    def observe(self, step: WeightingStep) -> None:
        self.register_buffer("mean", step.rows.z.mean(0).detach())


class GathersInPlan(Plain):
    """Changes a buffer in `plan`."""

    total: Tensor

    def setup(self, facts: TrainingFacts) -> None:
        super().setup(facts)
        self.register_buffer("total", torch.zeros(()))

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        self.total += 1
        return WeightPlan()


class RandomAnchors(Plain):
    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        return WeightPlan(anchor=torch.rand(len(anchors)))


class ShortPlan(Plain):
    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        return WeightPlan(anchor=torch.ones(10))


class Boxed:
    """Something that no checkpoint carries."""

    def __init__(self) -> None:
        self.value = 1


class ObjectState(Plain):
    def get_extra_state(self) -> Any:
        return {"box": Boxed()}

    def set_extra_state(self, state: Any) -> None:
        pass


# -- terms ----------------------------------------------------------------------------------------


class PlainTerm(Term):
    weight = 1.0

    def forward(self, batch: StepBatch) -> TermResult:
        return TermResult(self.factor(batch) * batch.outputs().logits.square().mean())

    def factor(self, batch: StepBatch) -> Any:
        return 1.0


class CountingTerm(PlainTerm):
    def __init__(self) -> None:
        super().__init__()
        self.steps = 0

    def factor(self, batch: StepBatch) -> Any:
        self.steps += 1
        return self.steps


class LateTerm(PlainTerm):
    def factor(self, batch: StepBatch) -> Any:
        if not hasattr(self, "scale"):
            self.scale = nn.Parameter(torch.ones(()))
        return self.scale


class RandomTerm(PlainTerm):
    def factor(self, batch: StepBatch) -> Any:
        return np.random.random()


class UnaskedTerm(PlainTerm):
    def refresh(self, bank: SampleBank, epoch: int) -> None:
        bank.need("logits")


class VectorTerm(PlainTerm):
    def factor(self, batch: StepBatch) -> Any:
        return torch.ones(3)


class NoResult(PlainTerm):
    def forward(self, batch: StepBatch) -> TermResult:
        return batch.outputs().logits.mean()  # type: ignore[return-value]


class ArrayTerm(PlainTerm):
    def get_extra_state(self) -> Any:
        return np.zeros(3)

    def set_extra_state(self, state: Any) -> None:
        pass


# -- samplers -------------------------------------------------------------------------------------


class Remembers:
    """Goes on where the epoch before ended."""

    def __init__(self) -> None:
        self.start = 0

    def order(self, data: SamplerInput) -> IntArray:
        self.start += 7
        return np.roll(np.arange(len(data.label)), self.start)


class GlobalShuffle:
    def order(self, data: SamplerInput) -> IntArray:
        return np.random.permutation(len(data.label))


class Beyond:
    def order(self, data: SamplerInput) -> IntArray:
        return np.arange(len(data.label)) + 1


class Floats:
    def order(self, data: SamplerInput) -> Any:
        return data.generator.random(8)


class WritesLabels:
    def order(self, data: SamplerInput) -> IntArray:
        data.label[:] = 0
        return data.generator.permutation(len(data.label))


# -- policies -------------------------------------------------------------------------------------


class Picture:
    """A view that crops to the size, and adds what `noise` gives."""

    def __init__(self, context: ViewContext) -> None:
        self.context = context
        self.calls = 0

    def noise(self, key: tuple[int, ...]) -> float:
        return 0.0

    def __call__(self, image: Any, key: tuple[int, ...]) -> Any:
        size = self.context.size
        pixels = torch.from_numpy(image[:size, :size].copy()).permute(2, 0, 1).float()
        return pixels + self.noise(key)


class GlobalNoise(Picture):
    def noise(self, key: tuple[int, ...]) -> float:
        return random.random()


class CountedNoise(Picture):
    def noise(self, key: tuple[int, ...]) -> float:
        self.calls += 1
        return float(self.calls)


class CountedVector:
    """A policy for vectors whose draws depend on what was drawn before."""

    calls = 0

    def __init__(self, context: Any) -> None:
        pass

    def __call__(self, vector: Any, key: tuple[int, ...]) -> Any:
        CountedVector.calls += 1
        return torch.from_numpy(np.atleast_2d(vector)[0].copy()) + CountedVector.calls


class LongerVector(CountedVector):
    """A policy for vectors that adds a coordinate."""

    def __call__(self, vector: Any, key: tuple[int, ...]) -> Any:
        return torch.zeros(np.atleast_2d(vector).shape[1] + 1)


class KeepsSize(Picture):
    def __call__(self, image: Any, key: tuple[int, ...]) -> Any:
        return torch.from_numpy(image.copy()).permute(2, 0, 1).float()


class Bytes(Picture):
    def __call__(self, image: Any, key: tuple[int, ...]) -> Any:
        return super().__call__(image, key).byte()


def unsendable(context: ViewContext) -> Any:
    return lambda image, key: Picture(context)(image, key)


# -- the others -----------------------------------------------------------------------------------


def lazily(channels: int) -> Backbone:
    class Lazy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            if not hasattr(self, "scale"):
                self.register_buffer("scale", torch.ones(()))
            return images.flatten(2).mean(2) * self.weight

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(channels))

    return Backbone(Lazy(), channels)


def unseeded(channels: int) -> Backbone:
    layer = nn.Linear(channels * 1024, 4)
    layer.weight.data += torch.from_numpy(np.random.default_rng().random((4, 1))).float()
    return Backbone(nn.Sequential(nn.Flatten(), layer), 4)


def a_module(channels: int) -> Any:
    return nn.Flatten()


class Line(Head):
    """A right head, which those below spoil."""

    def __init__(self, in_dim: int, classes: int) -> None:
        super().__init__(classes)
        self.linear = nn.Linear(in_dim, classes)

    def forward(self, features: Tensor) -> Tensor:
        return cast(Tensor, self.linear(features))


class LateHead(Line):
    def forward(self, features: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.register_buffer("scale", torch.ones(()))
        return super().forward(features)


class LongerHead(Line):
    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([super().forward(features), features], dim=1)


class StoppingHead(Line):
    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.detach())


class BatchHead(Line):
    def forward(self, features: Tensor) -> Tensor:
        rows = super().forward(features)
        return rows - rows.mean(0)


class ForgetfulHead(Line):
    def __init__(self, in_dim: int, classes: int) -> None:
        super().__init__(in_dim, classes)
        self.turn = torch.randn(classes)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features) * self.turn


class UnseededHead(Line):
    def __init__(self, in_dim: int, classes: int) -> None:
        super().__init__(in_dim, classes)
        self.linear.bias.data += float(np.random.default_rng().random())


def a_linear_module(in_dim: int, classes: int) -> Any:
    return nn.Linear(in_dim, classes)


class Counting(torch.optim.SGD):
    """Its rate falls with steps that it counts outside of its state."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = 0.1 / self.steps
        return super().step(closure)


class OwnRate(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            group["lr"] = 0.1
        return super().step(closure)


def half(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(list(module.parameters())[:2], lr=0.1)


def counting_schedule() -> Callable[[float, float], float]:
    calls = 0

    def factor(position: float, epochs: float) -> float:
        nonlocal calls
        calls += 1
        return 1 / calls

    return factor


class GlobalProbe:
    requires: frozenset[str] = frozenset()

    def evaluate(self, data: EvaluationInput, split: str) -> Report:
        return Report({"accuracy": random.random()})


class NaNProbe:
    requires: frozenset[str] = frozenset()

    def evaluate(self, data: EvaluationInput, split: str) -> Report:
        return Report({"accuracy": float("nan")})


class UnaskedLogits:
    requires: frozenset[str] = frozenset()

    def evaluate(self, data: EvaluationInput, split: str) -> Report:
        return Report({"top": float(data.test.logits.max())})  # type: ignore[union-attr]


class Averages:
    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.found: list[float] = []

    def evaluate(self, data: EvaluationInput, split: str) -> Report:
        self.found.append(float(len(data.part(split))))  # type: ignore[arg-type]
        return Report({"accuracy": sum(self.found) / len(self.found)})


def unseeded_images() -> Splits:
    images = np.random.default_rng().integers(0, 256, (6, 8, 8, 1), np.uint8)
    return Splits(SampleSet(images, np.arange(6) % 2, ("a", "b")), None, False)


def global_images() -> Splits:
    images = np.random.randint(0, 256, (6, 8, 8, 1)).astype(np.uint8)
    return Splits(SampleSet(images, np.arange(6) % 2, ("a", "b")), None, False)


def float_images() -> Splits:
    spec = InputSpec("image", 1, "uint8", None, 255.0)
    images = np.zeros((6, 8, 8, 1))
    return Splits(SampleSet(images, np.arange(6) % 2, ("a", "b"), spec=spec), None, False)  # type: ignore[arg-type]


def global_noise(train: SampleSet) -> NoisyLabels:
    return NoisyLabels(np.random.permutation(train.label), train.label)


def other_truth(train: SampleSet) -> NoisyLabels:
    return NoisyLabels(train.label, (train.label + 1) % len(train.classes))


def writes_labels(train: SampleSet) -> NoisyLabels:
    truth = train.label.copy()
    train.label[:] = 0
    return NoisyLabels(train.label, truth)


def short_noise(train: SampleSet) -> NoisyLabels:
    return NoisyLabels(train.label[:5], train.label[:5])


def global_choice(label: IntArray, classes: int) -> IntArray:
    return np.sort(np.random.permutation(len(label))[:150])


def a_mask(label: IntArray, classes: int) -> Any:
    return label < 9


def no_tail(label: IntArray, classes: int) -> IntArray:
    return np.flatnonzero(label < 9)


# -- sources of synthetic samples -----------------------------------------------------------------


class DrawnSource(SyntheticSource):
    """Noise, drawn anew each time."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        images = np.random.random((4, 8, 8, 1)) * 255
        return SyntheticSet.of(images.astype(np.uint8), real.train.spec, real.train.classes)


class CountingSource(SyntheticSource):
    """Another picture with each use, which all instances count together."""

    times = 0

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        type(self).times += 1
        images = np.full((4, 8, 8, 1), self.times, np.uint8)
        return SyntheticSet.of(images, real.train.spec, real.train.classes)


class FromTest(SyntheticSource):
    """Copies of what the run is measured on."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        part = real.test or real.train
        images = [part[place] for place in range(4)]
        return SyntheticSet.of(images, real.train.spec, real.train.classes)


class WritesReal(SyntheticSource):
    """Brightens the real images in place."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        first = real.train[0]
        first |= 1
        made = SyntheticSet.of([first.copy() * 0], real.train.spec, real.train.classes)
        real.train.label[0] = (real.train.label[0] + 1) % 3
        return made


class OwnClasses(SyntheticSource):
    """Pictures of classes of its own."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        return SyntheticSet.of(np.zeros((1, 8, 8, 1), np.uint8), real.train.spec, ("mine",))


class InColour(SyntheticSource):
    """Pictures in colour under a spec of grey ones."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        images = np.zeros((1, 8, 8, 3), np.uint8)
        return SyntheticSet.of(images, real.train.spec, real.train.classes)


class FarParent(SyntheticSource):
    """A parent that is not there."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> SyntheticSet:
        images = np.zeros((1, 8, 8, 1), np.uint8)
        return SyntheticSet.of(images, real.train.spec, real.train.classes, parent=[4000])


class NoSet(SyntheticSource):
    """An array and no set."""

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> Any:
        return np.zeros((1, 8, 8, 1), np.uint8)


# -- filters of synthetic samples -----------------------------------------------------------------


class DrawnVerdict(SyntheticFilter):
    """Keeps what a coin says."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        drawn = np.random.random(len(data.synthetic))
        return FilterVerdict.of(drawn, {"bad luck": drawn < 0.5})


class SecondThoughts(SyntheticFilter):
    """Says something else each time."""

    def __init__(self) -> None:
        self.times = 0

    def judge(self, data: FilterInput) -> FilterVerdict:
        self.times += 1
        return FilterVerdict.of(np.full(len(data.synthetic), 1 / self.times), {})


class FirstCome(SyntheticFilter):
    """Keeps the first ten."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        late = np.arange(len(data.synthetic)) >= 10
        return FilterVerdict.of(~late, {"it is late": late})


class FirstReal(SyntheticFilter):
    """Measures by the first real sample that is trusted."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        features = data.features()
        near = np.abs(features.synthetic - features.real[0]).mean(1)
        return FilterVerdict.of(1 / (1 + near), {})


class TrustsAll(SyntheticFilter):
    """Measures by the mean of all real samples, trusted or not."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        real = data.real.samples
        mean = np.mean([np.mean(real[place]) for place in range(len(real))])
        own = [np.mean(data.synthetic[place]) for place in range(len(data.synthetic))]
        return FilterVerdict.of(1 / (1 + np.abs(np.array(own) - mean)), {})


class WritesQuality(SyntheticFilter):
    """Lowers the quality itself."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        data.synthetic.quality[:] *= 0.5
        return FilterVerdict.of(np.ones(len(data.synthetic)), {})


class HalfVerdict(SyntheticFilter):
    """Judges every second sample."""

    def judge(self, data: FilterInput) -> FilterVerdict:
        return FilterVerdict.of(np.ones(len(data.synthetic) // 2), {})


# -- generators -----------------------------------------------------------------------------------


class GreyGenerator(Generator):
    """Plain pictures; what is right of the generators below."""

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Any) -> None:
        self.shape = real[int(trusted[0])].shape

    def _light(self, what: Any, k: int, seed: int) -> int:
        return int(np.random.default_rng([seed, what, k]).integers(256))

    def _make(self, asked: Any, seed: int) -> Any:
        return [np.full(self.shape, self._light(*one, seed), np.uint8) for one in asked]

    def state(self) -> dict[str, Any]:
        return {"shape": list(self.shape)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.shape = tuple(state["shape"])


class GlobalGenerator(GreyGenerator):
    """Draws from numpy's own generator."""

    def _light(self, what: Any, k: int, seed: int) -> int:
        return np.random.randint(256)


class InTurn(GreyGenerator):
    """Lights by the place among what is asked for."""

    def _make(self, asked: Any, seed: int) -> Any:
        return [np.full(self.shape, place, np.uint8) for place in range(len(asked))]


class Unsaved(GreyGenerator):
    """Forgets to keep what it was fitted to."""

    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        pass


class Believing(GreyGenerator):
    """Reads every sample, trusted or not."""

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Any) -> None:
        self.shape = max(real[place].shape for place in range(len(real)))


class Seedless(GreyGenerator):
    """The same whatever the seed."""

    def _light(self, what: Any, k: int, seed: int) -> int:
        return super()._light(what, k, 0)


class OtherForm(GreyGenerator):
    """Floats where the set has bytes."""

    def _make(self, asked: Any, seed: int) -> Any:
        return [picture / 2 for picture in super()._make(asked, seed)]


FAULTS: list[tuple[Callable[..., None], Any, str]] = [
    (testing.check_selector, RunningMean(), "round trip .* `state_dict`"),
    (testing.check_selector, Unasked(), "name in `requires`"),
    (testing.check_selector, UnaskedField(), "name in `requires`"),
    (testing.check_selector, Opportunist(), "name in `requires`.* otherwise"),
    (testing.check_selector, Lottery(), "global generator.* torch.Generator"),
    (testing.check_selector, ArrayState(), "torch.from_numpy"),
    (testing.check_selector, OnTheClass(), "`seen` changed on the class"),
    (testing.check_selector, ShortTrust(), r"expected trust of shape \(24,\), but got \(10,\)"),
    (testing.check_weighting, KeepsVectors(), "`vectors` came into its state.* keep nothing"),
    (testing.check_weighting, CountsSteps(), "round trip .* buffers that `setup`"),
    (testing.check_weighting, LateBuffer(), "`mean` came into its state.*setup"),
    (testing.check_weighting, GathersInPlan(), "`observe` alone"),
    (testing.check_weighting, RandomAnchors(), "global generator.* `step.generator`"),
    (testing.check_weighting, ShortPlan(), r"anchor weights of shape \(48,\), but got \(10,\)"),
    (testing.check_weighting, ObjectState(), "cannot be read back.* plain types"),
    (testing.check_term, CountingTerm(), "round trip .* buffers that `setup`"),
    (testing.check_term, LateTerm(), "`terms.term.scale` came into its state"),
    (testing.check_term, RandomTerm(), "global generator.* `batch.generator`"),
    (testing.check_term, UnaskedTerm(), "name in `requires`"),
    (testing.check_term, VectorTerm(), r"a loss of shape \(\), but got \(3,\)"),
    (testing.check_term, NoResult(), r"Try: TermResult\(loss\)"),
    (testing.check_term, ArrayTerm(), "torch.from_numpy"),
    (testing.check_sampler, Remembers(), "keep nothing between epochs"),
    (testing.check_sampler, GlobalShuffle(), "global generator.* `data.generator`"),
    (testing.check_sampler, Beyond(), r"samples in \[0, 60\), but got 1 to 60"),
    (testing.check_sampler, Floats(), "integers, but got float64"),
    (testing.check_sampler, WritesLabels(), "left as they are"),
    (testing.check_policy, GlobalNoise, "global generator.* key"),
    (testing.check_policy, CountedNoise, "same key must give the same pixels"),
    (testing.check_policy, KeepsSize, r"picture of shape \(1, 12, 12\), but got \(1, 21, 16\)"),
    (testing.check_policy, Bytes, "floats, but got torch.uint8"),
    (testing.check_policy, unsendable, "must pickle.* class at the top"),
    (testing.check_vector_policy, CountedVector, "same key must give the same numbers"),
    (testing.check_vector_policy, LongerVector, r"a vector of shape \(3,\), but got \(4,\)"),
    (testing.check_backbone, lazily, "`trunk.scale` came into its state"),
    (testing.check_backbone, unseeded, "torch's generator alone"),
    (testing.check_backbone, a_module, "to be a Backbone, but got Flatten"),
    (testing.check_head, LateHead, "`scale` came into its state"),
    (testing.check_head, LongerHead, r"vectors of shape \(6, 5\), but got \(6, 17\)"),
    (testing.check_head, StoppingHead, "gradients must reach the encoder"),
    (testing.check_head, BatchHead, "must not depend on the batch"),
    (testing.check_head, ForgetfulHead, "same after a state round trip"),
    (testing.check_head, UnseededHead, "torch's generator alone"),
    (testing.check_head, a_linear_module, "to be a Head, but got Linear"),
    (testing.check_optimizer, lambda m: Counting(m.parameters(), 0.1), "round trip"),
    (testing.check_optimizer, lambda m: OwnRate(m.parameters(), 0.1), "read group\\['lr'\\]"),
    (testing.check_optimizer, half, "every trainable parameter.* parameter_groups"),
    (testing.check_schedule, counting_schedule, "Try: count nothing"),
    (testing.check_schedule, lambda: lambda position, epochs: -1.0, "at least 0"),
    (testing.check_schedule, lambda: lambda p, e: random.random(), "global generator"),
    (testing.check_evaluator, GlobalProbe(), "global generator.* `data.seed`"),
    (testing.check_evaluator, NaNProbe(), "finite number of metric `accuracy`, but got nan"),
    (testing.check_evaluator, UnaskedLogits(), "name `logits` in `requires`"),
    (testing.check_evaluator, Averages(), "whatever was evaluated before"),
    (testing.check_dataset, unseeded_images, "must be the same when read again"),
    (testing.check_dataset, global_images, "global generator.* `seed`"),
    (testing.check_dataset, float_images, r"uint8 array .* but got float64"),
    (testing.check_noise, global_noise, "global generator.* `seed`"),
    (testing.check_noise, other_truth, "true labels must be the data set's"),
    (testing.check_noise, writes_labels, "label.copy"),
    (testing.check_noise, short_noise, r"given labels of shape \(200,\), but got \(5,\)"),
    (testing.check_synthetic_source, DrawnSource(), "global generator.*default_rng"),
    (testing.check_synthetic_source, CountingSource(), "the same for the same seed|on the class"),
    (testing.check_synthetic_source, FromTest(), "depend on validation or test"),
    (testing.check_synthetic_source, WritesReal(), "left as they are"),
    (testing.check_synthetic_source, OwnClasses(), "expected the 3 classes of the real data set"),
    (testing.check_synthetic_source, InColour(), r"last is 1, but got uint8 \(8, 8, 3\)"),
    (testing.check_synthetic_source, FarParent(), "parents among the 54 real training samples"),
    (testing.check_synthetic_source, NoSet(), "what is made to be a SyntheticSet, but got ndarray"),
    (testing.check_synthetic_filter, DrawnVerdict(), "global generator"),
    (testing.check_synthetic_filter, SecondThoughts(), "whatever was judged before"),
    (testing.check_synthetic_filter, FirstCome(), "however the synthetic samples are listed"),
    (testing.check_synthetic_filter, FirstReal(), "however the real samples are listed"),
    (testing.check_synthetic_filter, TrustsAll(), "that are not trusted"),
    (testing.check_synthetic_filter, WritesQuality(), "left as they are"),
    (testing.check_synthetic_filter, HalfVerdict(), r"scores of shape \(36,\), but got \(18,\)"),
    (testing.check_generator, GlobalGenerator(), "global generator.*draws_of"),
    (testing.check_generator, InTurn(), "not from the order in which"),
    (testing.check_generator, Unsaved(), "saved and loaded|`state`"),
    (testing.check_generator, Believing(), "trusted samples alone, but read sample 1"),
    (testing.check_generator, Seedless(), "another seed must give other samples"),
    (testing.check_generator, OtherForm(), "expected a uint8 array .* but got float64"),
    (testing.check_imbalance, global_choice, "global generator.* `seed`"),
    (testing.check_imbalance, a_mask, "integers, but got bool"),
    (testing.check_imbalance, no_tail, "every class"),
]


@pytest.mark.parametrize(
    ("check", "part", "message"),
    FAULTS,
    ids=[
        f"{check.__name__}-{getattr(part, '__name__', type(part).__name__)}"
        for check, part, _ in FAULTS
    ],
)
def test_the_check_says_what_to_do(check: Callable[..., None], part: Any, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check(part)


def test_every_family_has_a_check_and_strangers_that_it_catches() -> None:
    from supcon_ext.recipe.families import FAMILIES

    of_vectors = {"check_vector_policy"}  # the family's other kind of member
    assert {f"check_{family}" for family in FAMILIES} | of_vectors == set(testing.__all__)
    assert {check.__name__ for check, _, _ in FAULTS} == set(testing.__all__)


class Right(RunningMean):
    """The first stranger, mended as it was told."""

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self.mean}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.mean = state["mean"]


def test_a_part_that_does_as_it_is_told_passes() -> None:
    testing.check_selector(Right())


class FromColumns(PositiveSelector):
    def targets(self, pairs: PairTile) -> Tensor:
        return pairs.same("label") & pairs.same("scanner")


def test_the_part_itself_is_not_changed() -> None:
    stranger = Right()
    testing.check_selector(stranger)
    assert stranger.mean is None
    testing.check_selector(FromColumns(), {"scanner": torch.arange(24) % 2})
