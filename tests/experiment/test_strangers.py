"""A stranger adds a member of each family: one file, which imports from `supcon_ext` alone."""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from data_tools.registry import family
from supcon_ext import testing
from supcon_ext.recipe.families import FAMILIES, load_families
from supcon_ext.tracking.results import read_results
from tests.fresh import supcon

STRANGERS = {
    "dataset": '''
import numpy as np
from supcon_ext import InputSpec, SampleSet, Splits, dataset

@dataset("strange_stripes")
def strange_stripes(*, each: int = 12) -> Splits:
    """Stripes that lie, stand or are not there."""
    def part(seed: int) -> SampleSet:
        drawn = np.random.default_rng(seed)
        label = np.arange(3 * each) % 3
        images = drawn.integers(0, 60, (len(label), 8, 8, 1), np.uint8)
        images[label == 0, ::2] += 150
        images[label == 1, :, ::2] += 150
        return SampleSet(images, label, ("lying", "standing", "none"))
    return Splits(part(0), part(1), truth_known=True)
''',
    "noise": '''
import numpy as np
from supcon_ext import NoisyLabels, SampleSet, noise

@noise("strange_first")
def strange_first(train: SampleSet, *, count: int = 3) -> NoisyLabels:
    """The first images of all are given the last class."""
    label = train.label.copy()
    label[:count] = len(train.classes) - 1
    return NoisyLabels(label, train.label.copy())
''',
    "imbalance": '''
import numpy as np
from supcon_ext import imbalance

@imbalance("strange_last")
def strange_last(label: np.ndarray, classes: int, *, keep: int = 7) -> np.ndarray:
    """Of the last class, only so many are kept."""
    last = np.flatnonzero(label == classes - 1)[keep:]
    return np.setdiff1d(np.arange(len(label)), last)
''',
    "synthetic_source": '''
import numpy as np
from supcon_ext import PreparedData, SyntheticSet, SyntheticSource, synthetic_source

@synthetic_source("strange_negatives")
class StrangeNegatives(SyntheticSource):
    """The negative of the first training images."""

    def __init__(self, count: int = 5) -> None:
        self.count = count

    def make(self, real: PreparedData, seed: int, progress=None) -> SyntheticSet:
        train, parent = real.train, np.arange(self.count)
        images = [255 - train[place] for place in parent]
        label = train.label[parent]
        return SyntheticSet.of(images, train.spec, train.classes, label=label, parent=parent)
''',
    "generator": '''
import numpy as np
from supcon_ext import Generator, generator

@generator("strange_lights")
class StrangeLights(Generator):
    """Pictures of the mean light of their class, and some noise."""

    def __init__(self, noise: float = 9.0) -> None:
        self.noise = noise

    def _fit(self, real, trusted, seed, progress) -> None:
        self.shape = real[int(trusted[0])].shape
        places = [int(place) for place in trusted]
        self.light = {int(real.label[i]): float(real[i].mean()) for i in places}

    def _make(self, asked, seed):
        made = []
        for what, k in asked:
            drawn = np.random.default_rng([seed, what, k])
            light = self.light[what] + self.noise * drawn.standard_normal(self.shape)
            made.append(light.clip(0, 255).astype(np.uint8))
        return made

    def state(self):
        return {"shape": list(self.shape), "light": self.light}

    def load_state(self, state) -> None:
        self.shape, self.light = tuple(state["shape"]), state["light"]
''',
    "policy": '''
from dataclasses import dataclass
import numpy as np
import torch
from supcon_ext import View, ViewContext, policy

@dataclass(frozen=True)
class Shifted:
    context: ViewContext

    def __call__(self, image: np.ndarray, key: tuple[int, ...]) -> torch.Tensor:
        size, drawn = self.context.size, np.random.default_rng(key)
        rows = np.linspace(0, image.shape[0] - 1, size).round().astype(int)
        columns = np.linspace(0, image.shape[1] - 1, size).round().astype(int)
        picture = np.roll(image[rows][:, columns], drawn.integers(0, 2), axis=0) / 255
        normal = (picture - self.context.mean) / self.context.std
        return torch.from_numpy(normal).permute(2, 0, 1).float().contiguous()

@policy("strange_shift")
def strange_shift(context: ViewContext) -> View:
    """A picture that is a pixel lower, or not."""
    return Shifted(context)
''',
    "backbone": '''
from torch import nn
from supcon_ext import Backbone, backbone

@backbone("strange_mean")
def strange_mean(channels: int, *, dim: int = 6) -> Backbone:
    """One convolution, pooled."""
    trunk = nn.Sequential(
        nn.Conv2d(channels, dim, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    return Backbone(trunk, dim)
''',
    "head": '''
import torch
from torch import Tensor, nn
from supcon_ext import Head, head

class Squashed(Head):
    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__(dim)
        self.linear = nn.Linear(in_dim, dim)

    def forward(self, features: Tensor) -> Tensor:
        return torch.tanh(self.linear(features))

@head("strange_tanh")
def strange_tanh(in_dim: int, classes: int, *, dim: int | None = None) -> Squashed:
    """A linear layer between -1 and 1."""
    return Squashed(in_dim, classes if dim is None else dim)
''',
    "term": '''
from supcon_ext import StepBatch, Term, TermResult, term

@term("strange_length")
class StrangeLength(Term):
    """Features are kept short."""

    def forward(self, batch: StepBatch) -> TermResult:
        loss = batch.outputs().features.square().mean()
        return TermResult(loss, {"length": loss.detach()})
''',
    "selector": '''
from supcon_ext import SampleBank, SampleSelector, Selection, selector

@selector("strange_loss")
class StrangeLoss(SampleSelector):
    """Whose loss is below the median is believed."""

    requires = frozenset({"loss"})

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        return Selection.of(bank.label, bank.loss <= bank.loss.median())
''',
    "weighting": '''
from supcon_ext import Rows, Weighting, WeightingStep, WeightPlan, weighting

@weighting("strange_trust")
class StrangeTrust(Weighting):
    """Anchors weigh by their trust, and a little more."""

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        return WeightPlan(anchor=anchors.trust + 0.1)
''',
    "sampler": '''
import numpy as np
from supcon_ext import SamplerInput, sampler

@sampler("strange_twice")
class StrangeTwice:
    """Trusted samples come twice."""

    def order(self, data: SamplerInput) -> np.ndarray:
        every = np.arange(len(data.label))
        return data.generator.permutation(np.concatenate([every, every[data.trusted]]))
''',
    "synthetic_filter": '''
import numpy as np
from supcon_ext import FilterInput, SyntheticFilter, FilterVerdict, synthetic_filter

@synthetic_filter("strange_contrast")
class StrangeContrast(SyntheticFilter):
    """Drops pictures of little contrast."""

    def __init__(self, least: float = 10.0) -> None:
        self.least = least

    def judge(self, data: FilterInput) -> FilterVerdict:
        made = data.synthetic
        spread = np.array([np.std(made[place]) for place in range(len(made))])
        return FilterVerdict.of((spread / 128).clip(0, 1), {"it is flat": spread < self.least})
''',
    "optimizer": '''
import torch
from torch import nn
from supcon_ext import optimizer, parameter_groups

@optimizer("strange_adagrad")
def strange_adagrad(module: nn.Module, *, lr: float = 0.01) -> torch.optim.Optimizer:
    """Adagrad."""
    return torch.optim.Adagrad(parameter_groups(module, 0.0, True), lr=lr)
''',
    "schedule": '''
from supcon_ext import schedule

@schedule("strange_half")
def strange_half():
    """Half the rate in the second half."""
    return lambda position, epochs: 1.0 if position < epochs / 2 else 0.5
''',
    "evaluator": '''
from supcon_ext import EvaluationInput, Report, evaluator

@evaluator("strange_spread")
class StrangeSpread:
    """How far features spread."""

    requires = frozenset()

    def evaluate(self, data: EvaluationInput, split: str) -> Report:
        return Report({"spread": float(data.part(split).features.std())})
''',
}
MADE_BY_CALLING = ("term", "selector", "weighting", "sampler", "evaluator")
MADE_BY_CALLING += ("synthetic_source", "synthetic_filter", "generator")


def names() -> dict[str, str]:
    """Name of each family's stranger."""
    return {of: text.split(f'@{of}("')[1].split('"')[0] for of, text in STRANGERS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("strangers")
    for of, text in STRANGERS.items():
        (place / f"a_strangers_{of}.py").write_text(f'"""Of a stranger."""\n{text}')
    return place


def test_every_family_has_its_stranger_who_knows_one_module() -> None:
    assert set(STRANGERS) == set(FAMILIES)
    for text in STRANGERS.values():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                assert node.module in ("supcon_ext", "dataclasses", "torch")
            elif isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= {"numpy", "torch"}


@pytest.mark.parametrize("of", STRANGERS)
def test_the_stranger_keeps_the_contract(
    of: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)
    load_families()
    importlib.import_module(f"a_strangers_{of}")
    spec = family(of).spec(names()[of])
    check = getattr(testing, f"check_{of}")
    check(spec.build() if of in MADE_BY_CALLING else spec.bind())


def recipe() -> dict[str, Any]:
    name = names()
    return {
        "name": "strangers",
        "plugins": [f"a_strangers_{of}" for of in STRANGERS],
        "data": {
            "dataset": name["dataset"],
            "noise": {"kind": name["noise"], "count": 2},
            "imbalance": name["imbalance"],
            "synthetic": [
                {"kind": name["synthetic_source"], "filters": [name["synthetic_filter"]]},
                {"kind": "generated", "generator": name["generator"], "per_class": 2},
            ],
        },
        "model": {
            "backbone": {"kind": name["backbone"], "dim": 5},
            "projector": {"kind": name["head"], "dim": 4},
            "classifier": name["head"],
        },
        "stages": [
            {
                "name": "only",
                "epochs": 1,
                "batch_size": 8,
                "views": {"policy": name["policy"], "count": 2},
                "objective": [
                    {
                        "contrastive": {
                            "selector": name["selector"],
                            "weighting": name["weighting"],
                        }
                    },
                    {"cross_entropy": {}},
                    {name["term"]: {"weight": 0.1}},
                ],
                "optimizer": {"kind": name["optimizer"], "lr": 0.02},
                "schedule": name["schedule"],
                "sampler": name["sampler"],
            }
        ],
        "evaluation": ["classifier", name["evaluator"]],
        "tracking": {"uri": "none"},
    }


def test_a_recipe_of_strangers_runs_as_a_user_calls_it(folder: Path) -> None:
    (folder / "strangers.yaml").write_text(yaml.safe_dump(recipe()))
    done = supcon("run", "strangers.yaml", cwd=folder, env={"PYTHONPATH": str(folder)})
    assert done.wait() == 0, done.stderr
    (run,) = (folder / "runs").iterdir()
    found = read_results(run)["last"]["test"]
    assert found["strange_spread"]["spread"] > 0 and "accuracy" in found["classifier"]
    shown = supcon(
        *("components", "head", "--plugin", "a_strangers_head", "--json"),
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
    )
    assert shown.wait() == 0, shown.stderr
    assert "strange_tanh" in {part["name"] for part in json.loads(shown.stdout)}


def test_a_strangers_classifier_of_another_length_is_refused(folder: Path) -> None:
    wrong = recipe()
    wrong["model"]["classifier"] = {"kind": names()["head"], "dim": 7}
    (folder / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    done = supcon("run", "wrong.yaml", cwd=folder, env={"PYTHONPATH": str(folder)})
    assert done.wait() == 2
    assert "one number a class (3)" in " ".join(done.stderr.split())
