"""What a plug-in returns in the wrong shape is refused where it comes in, in its family's words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from data_tools.datasets.base import dataset
from data_tools.imbalance.base import imbalance
from data_tools.noise.base import NoisyLabels, noise
from data_tools.prepared import PreparedData
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.evaluation.base import Report, evaluator
from supcon_ext.experiment import dry_run, run
from supcon_ext.losses import PairTile, Rows, WeightPlan
from supcon_ext.losses.factors import Factors
from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.heads.base import head
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.objectives.base import StepBatch, Term, TermResult, term
from supcon_ext.optimizers.base import optimizer
from supcon_ext.policies.base import ViewContext, policy
from supcon_ext.recipe import parse_recipe
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.schedules.base import schedule
from supcon_ext.selectors.base import PositiveSelector, SampleBank, Selection, selector
from supcon_ext.synthetic.filter import (
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)
from supcon_ext.synthetic.generator import Generator, generator
from supcon_ext.synthetic.source import SyntheticSource, synthetic_source
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting
from tests.experiment.members import BATCH, recipe, stage
from tests.fresh import supcon

ROWS = 2 * BATCH
SAMPLES = 80


@weighting("wrong_weights")
class WrongWeights(Weighting):
    """Returns one thing in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "anchor") -> None:
        super().__init__()
        self.field = field

    def columns(self, step: WeightingStep) -> Any:
        z = step.rows.z
        told: dict[str, Any] = {
            "columns": torch.zeros(4, 8),
            "columns_width": Rows.of(torch.ones(4, 3), uid=-1 - torch.arange(4)),
            "columns_uid": Rows.of(z[:4].detach()),
            "columns_label": replace(
                Rows.of(z[:4].detach(), uid=-1 - torch.arange(4)), label=torch.zeros(2).long()
            ),
        }
        return told.get(self.field)

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> Any:
        if self.field == "plan":
            return torch.ones(len(anchors))
        if self.field == "list":
            return WeightPlan(anchor=[1.0] * len(anchors))  # type: ignore[arg-type]
        if self.field == "integers":
            return WeightPlan(log_column=torch.zeros(len(contrasts), dtype=torch.int64))
        if self.field == "table":
            return WeightPlan(table=(torch.ones(len(contrasts), 2), torch.ones(len(contrasts), 3)))
        if self.field == "group":
            return WeightPlan(group=torch.ones(len(contrasts)))
        if self.field in WeightPlan._fields:
            return WeightPlan(**{self.field: torch.ones(10)})  # type: ignore[arg-type]
        return WeightPlan()


@selector("wrong_selector")
class WrongSelector(PositiveSelector):
    """Returns one thing in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "targets") -> None:
        self.field = field

    def refresh(self, bank: SampleBank, epoch: int) -> Any:
        n = len(bank)
        parts: dict[str, Any] = {
            "trust": torch.ones(n),
            "label": bank.label,
            "role": torch.zeros(n, dtype=torch.int8),
        }
        wrong: dict[str, tuple[str, Any]] = {
            "selection": ("", None),
            "trust": ("trust", torch.ones(10)),
            "trust_range": ("trust", 2 * torch.ones(n)),
            "trust_list": ("trust", [1.0] * n),
            "label": ("label", bank.label[:10]),
            "label_float": ("label", bank.label.float()),
            "label_range": ("label", bank.label + 1),
            "role": ("role", torch.zeros(10)),
            "score": ("score", torch.ones(n, 1)),
            "posterior": ("posterior", torch.ones(n, 7)),
        }
        if self.field == "selection":
            return parts["trust"]
        if self.field not in wrong:
            return None
        name, value = wrong[self.field]
        return Selection(**{**parts, name: value})

    def targets(self, pairs: PairTile) -> Any:
        same = pairs.same("label")
        told = {"targets": same[:, :1], "targets_number": 1.0, "targets_turned": same.T[:1]}
        return told.get(self.field, same)

    def factors(self, views: Rows) -> Any:
        wrong = {
            "factors": views.label,
            "factors_code": Factors(views.label[:5]),
            "factors_trusted": Factors(views.label, trusted=views.trust),
        }
        return wrong.get(self.field)


@term("wrong_term")
class WrongTerm(Term):
    """Returns one thing in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "loss", weight: float = 1.0) -> None:
        super().__init__()
        self.field = field
        self.weight = weight

    def refresh(self, bank: SampleBank, epoch: int) -> Any:
        return bank.label if self.field == "selection" else None

    def forward(self, batch: StepBatch) -> Any:
        loss = batch.outputs().logits.square().mean()
        if self.field == "result":
            return loss
        wrong: dict[str, Any] = {
            "loss": TermResult(loss.expand(3)),
            "stats": TermResult(loss, {"size": loss.detach().expand(2)}),
            "number": TermResult(loss, {"size": 1.0}),  # type: ignore[dict-item]
            "gradient": TermResult(loss, {"size": loss}),
        }
        return wrong[self.field]


@sampler("wrong_sampler")
class WrongSampler:
    """Returns an order in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "range") -> None:
        self.field = field

    def order(self, data: SamplerInput) -> Any:
        count = len(data.label)
        told: dict[str, Any] = {
            "range": np.arange(count) + 1,
            "shape": np.arange(count)[None],
            "floats": np.arange(count) / 2,
            "list": list(range(count)),
        }
        return told[self.field]


@policy("wrong_policy")
def wrong_policy(context: ViewContext, *, field: str = "shape") -> Any:
    """Returns a picture in a wrong form."""
    side, channels = context.size, context.channels
    told: dict[str, Any] = {
        "shape": torch.zeros(channels, side + 1, side),
        "bytes": torch.zeros(channels, side, side, dtype=torch.uint8),
        "array": np.zeros((channels, side, side), np.float32),
    }
    return None if field == "view" else lambda image, key: told[field]


@backbone("wrong_backbone")
def wrong_backbone(channels: int, *, field: str = "module") -> Any:
    """Returns an encoder in a wrong form."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, 4))
    return module if field == "module" else Backbone(module, 5)


@head("wrong_head")
def wrong_head(in_dim: int, classes: int, *, field: str = "module") -> Any:
    """Returns a head in a wrong form."""
    return nn.Linear(in_dim, classes) if field == "module" else MLP(in_dim, dim=5)


@optimizer("wrong_optimizer")
def wrong_optimizer(module: nn.Module, *, field: str = "list") -> Any:
    """Returns an optimiser in a wrong form."""
    other = nn.Parameter(torch.ones(3))
    return list(module.parameters()) if field == "list" else torch.optim.SGD([other], 0.1)


@schedule("wrong_schedule")
def wrong_schedule(*, field: str = "negative") -> Any:
    """Returns a factor in a wrong form."""
    told: dict[str, Any] = {"negative": -1.0, "nan": float("nan"), "text": "1", "none": None}
    return 0.5 if field == "number" else lambda position, epochs: told[field]


@dataset("wrong_dataset")
def wrong_dataset() -> Any:
    """Returns pairs, as torchvision does."""
    return [(np.zeros((8, 8, 1)), 0)]


@synthetic_source("wrong_synthetic_source")
class WrongSyntheticSource(SyntheticSource):
    """Returns a set in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "array") -> None:
        self.field = field

    def make(self, real: PreparedData, seed: int, progress: Any = None) -> Any:
        train = real.train
        images = np.zeros((2, *train[0].shape), train.spec.dtype)
        told: dict[str, Any] = {
            "array": lambda: images,
            "classes": lambda: SyntheticSet.of(images, train.spec, ("mine",)),
            "spec": lambda: SyntheticSet.of(images, replace(train.spec, channels=3), train.classes),
            "parent": lambda: SyntheticSet.of(
                images, train.spec, train.classes, parent=[0, len(train)]
            ),
        }
        return told[self.field]()


@synthetic_filter("wrong_synthetic_filter")
class WrongSyntheticFilter(SyntheticFilter):
    """Returns a verdict in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "verdict") -> None:
        self.field = field

    def judge(self, data: FilterInput) -> Any:
        count = len(data.synthetic)
        right = FilterVerdict.of(np.ones(count), {})
        told: dict[str, Any] = {
            "verdict": right.score,
            "scores": FilterVerdict.of(np.ones(count + 1), {}),
            "range": FilterVerdict.of(np.full(count, 1.5), {}),
            "kept": replace(right, kept=np.ones(count)),
            "reason": replace(right, kept=~right.kept),
        }
        return told[self.field]


@generator("wrong_generator")
class WrongGenerator(Generator):
    """Makes samples in a wrong form.

    Args:
        field: What.
    """

    def __init__(self, field: str = "count") -> None:
        self.field = field

    def _fit(self, real: Any, trusted: Any, seed: int, progress: Any) -> None:
        self.shape = real[int(trusted[0])].shape

    def _make(self, asked: Any, seed: int) -> Any:
        sample = np.zeros(self.shape, np.uint8)
        wrong = {"floats": sample / 2, "colour": sample.repeat(3, 2), "flat": sample[0]}
        return [wrong.get(self.field, sample)] * (len(asked) - (self.field == "count"))


@noise("wrong_noise")
def wrong_noise(train: Any, *, field: str = "shape") -> Any:
    """Returns labels in a wrong form."""
    label, classes = train.label, len(train.classes)
    told: dict[str, Any] = {
        "array": label,
        "shape": NoisyLabels(label[:10], label[:10]),
        "range": NoisyLabels(label + classes, label),
        "truth": NoisyLabels(label, label - 2),
        "floats": NoisyLabels(label / 1, label),
        "transition": NoisyLabels(label, label, transition=np.eye(classes + 1)),
    }
    return told[field]


@imbalance("wrong_imbalance")
def wrong_imbalance(label: Any, classes: int, *, field: str = "mask") -> Any:
    """Returns positions in a wrong form."""
    return {"mask": label >= 0, "range": np.arange(len(label)) + 1}[field]


@evaluator("wrong_evaluator")
class WrongEvaluator:
    """Returns a report in a wrong form.

    Args:
        field: What.
    """

    requires: frozenset[str] = frozenset()

    def __init__(self, field: str = "report") -> None:
        self.field = field

    def evaluate(self, data: Any, split: str) -> Any:
        told: dict[str, Any] = {
            "report": {"accuracy": 1.0},
            "metrics": Report([("accuracy", 1.0)]),  # type: ignore[arg-type]
            "nan": Report({"accuracy": float("nan")}),
            "tensor": Report({"accuracy": torch.ones(2)}),  # type: ignore[dict-item]
        }
        return told[self.field]


def with_part(of: str, field: str) -> dict[str, Any]:
    """A small recipe with one wrong part."""
    wrong = {"kind": f"wrong_{'weights' if of == 'weighting' else of}", "field": field}
    if of == "dataset":
        wrong.pop("field")
    one = stage(0, "label", "uniform")
    objective = one["objective"][0]["contrastive"]
    if of in ("selector", "weighting"):
        objective[of] = wrong
    elif of == "term":
        one["objective"].append({"wrong_term": {"field": field}})
    elif of == "policy":
        one["views"] = {"policy": wrong, "count": 2}
    elif of in ("sampler", "optimizer", "schedule"):
        one[of] = wrong
    made = recipe([one])
    made["plugins"] = [__name__]
    if of == "backbone":
        made["model"] = {**made["model"], "backbone": wrong}
    elif of == "head":
        made["model"] = {**made["model"], "classifier": wrong}
    elif of in ("dataset", "noise", "imbalance"):
        made["data"] = {**made["data"], of: wrong}
    elif of == "synthetic_source":
        made["data"] = {**made["data"], "synthetic": [wrong]}
    elif of == "synthetic_filter":
        made["data"] = {**made["data"], "synthetic": [{"kind": "few_made", "filters": [wrong]}]}
    elif of == "generator":
        source = {"kind": "generated", "generator": wrong, "per_class": 1}
        made["data"] = {**made["data"], "synthetic": [source]}
    elif of == "evaluator":
        made["evaluation"] = [wrong]
    return made


K = ROWS
WRONG = [
    ("weighting", "anchor", rf"expected anchor weights of shape \({ROWS},\), but got \(10,\)"),
    ("weighting", "log_column", rf"log weights of the contrasts of shape \({K},\), but got"),
    ("weighting", "log_same", rf"log weights of the own class of shape \({ROWS},\), but got"),
    ("weighting", "temperature", rf"temperatures of the anchors of shape \({ROWS},\), but got"),
    ("weighting", "group", "groups of the contrasts that are integers, but got torch.float32"),
    ("weighting", "target_own", rf"factors on own views of shape \({ROWS},\)"),
    ("weighting", "target_column", rf"factors on the contrasts' targets of shape \({K},\)"),
    ("weighting", "table", rf"columns of the table of shape \({K}, 2\), but got \({K}, 3\)"),
    ("weighting", "list", "expected anchor weights of shape .*, but got list"),
    ("weighting", "integers", "that are floats, but got torch.int64"),
    ("weighting", "plan", "expected the plan to be a WeightPlan, but got Tensor of shape"),
    ("weighting", "columns", "expected extra contrasts to be a Rows, but got Tensor"),
    ("weighting", "columns_width", r"extra contrasts of shape \(any, 8\), but got \(4, 3\)"),
    ("weighting", "columns_uid", "expected extra contrasts of negative `uid`"),
    ("weighting", "columns_label", r"`label` of extra contrasts of shape \(4,\), but got \(2,\)"),
    ("selector", "targets", r"expected targets of shape \((\d+), \1\), but got \(\1, 1\)"),
    ("selector", "targets_turned", r"expected targets of shape \((\d+), \1\), but got \(1, \1\)"),
    ("selector", "targets_number", "expected targets of shape .* but got float"),
    ("selector", "selection", "expected a selection to be a Selection, but got Tensor"),
    ("selector", "trust", rf"expected trust of shape \({SAMPLES},\), but got \(10,\)"),
    ("selector", "trust_range", r"expected trust in \[0, 1\], but got 2 to 2"),
    ("selector", "trust_list", "expected trust of shape .* but got list"),
    ("selector", "label", rf"expected labels of shape \({SAMPLES},\), but got \(10,\)"),
    ("selector", "label_float", "expected labels that are integers, but got torch.float32"),
    ("selector", "label_range", r"expected labels in \[0, 4\), -1 unknown, but got 1 to 4"),
    ("selector", "role", "expected roles of shape"),
    ("selector", "score", rf"expected scores of shape \({SAMPLES},\), but got \({SAMPLES}, 1\)"),
    ("selector", "posterior", rf"expected the posterior of shape \({SAMPLES}, 4\), but got"),
    ("selector", "factors", "expected factors to be a Factors, but got Tensor"),
    ("selector", "factors_code", rf"`code` of factors of shape \({ROWS},\), but got \(5,\)"),
    ("selector", "factors_trusted", "`trusted` of factors that are booleans"),
    ("term", "loss", r"expected a loss of shape \(\), but got \(3,\)"),
    ("term", "result", "expected the result to be a TermResult, but got Tensor"),
    ("term", "stats", r"expected a scalar tensor of the number `size`, but got shape \(2,\)"),
    ("term", "number", "expected a scalar tensor of the number `size`, but got .*float"),
    ("term", "gradient", "expected the number `size` without gradient"),
    ("term", "selection", "expected a selection to be a Selection, but got Tensor"),
    ("sampler", "range", rf"expected samples in \[0, {SAMPLES}\), but got 1 to {SAMPLES}"),
    ("sampler", "shape", r"expected an order of shape \(any,\), but got \(1, 80\)"),
    ("sampler", "floats", "expected an order that are integers|that are integers, but got float64"),
    ("sampler", "list", "expected an order of shape .* but got list"),
    ("policy", "shape", r"expected a picture of shape \(1, 8, 8\), but got \(1, 9, 8\)"),
    ("policy", "bytes", "floats, but got torch.uint8"),
    ("policy", "array", "expected a picture that is a tensor, but got ndarray"),
    ("policy", "view", "expected a view: something to call .* but got None"),
    ("backbone", "module", "expected an encoder to be a Backbone, but got Sequential"),
    ("head", "module", "expected a head to be a Head, but got Linear"),
    ("optimizer", "list", "expected an optimiser to be a Optimizer, but got list"),
    ("optimizer", "others", "expected parameters of the module it is given, but got others"),
    ("schedule", "negative", "expected a finite factor of at least 0 at epoch 0, but got -1.0"),
    ("schedule", "nan", "expected a finite factor of at least 0 at epoch 0, but got nan"),
    ("schedule", "text", "expected a finite factor of at least 0 at epoch 0, but got str"),
    ("schedule", "none", "expected a finite factor of at least 0 at epoch 0, but got None"),
    ("schedule", "number", "expected a function of position and epochs, but got float"),
    ("dataset", "", "expected a data set to be a Splits, but got list"),
    ("noise", "array", "expected labels with noise to be a NoisyLabels, but got ndarray"),
    ("noise", "shape", rf"expected given labels of shape \({SAMPLES},\), but got \(10,\)"),
    ("noise", "range", r"expected given labels in \[0, 4\), but got 4 to 7"),
    ("noise", "truth", r"expected true labels in \[-1, 4\), but got -2 to 1"),
    ("noise", "floats", "expected given labels that are integers, but got float64"),
    ("noise", "transition", r"a transition matrix of shape \(4, 4\), but got \(5, 5\)"),
    ("synthetic_source", "array", "expected what is made to be a SyntheticSet, but got ndarray"),
    ("synthetic_source", "classes", "expected the 4 classes of the real data set, in their order"),
    ("synthetic_source", "spec", "expected samples as the real ones are, .* but got .*channels=3"),
    (
        "synthetic_source",
        "parent",
        "expected parents among the 80 real training samples, but got 80",
    ),
    ("generator", "count", "expected 4 samples, but got 3"),
    ("generator", "floats", r"expected a uint8 array \(H, W, C\) .* but got float64"),
    ("generator", "colour", r"whose last axis is 1, but got uint8 \(\d+, \d+, 3\)"),
    ("generator", "flat", r"array \(H, W, C\) .* but got uint8 \(\d+, 1\)"),
    ("imbalance", "mask", "positions of the images that are kept that are integers, but got bool"),
    ("synthetic_filter", "verdict", "expected a verdict to be a FilterVerdict, but got ndarray"),
    ("synthetic_filter", "scores", r"expected scores of shape \(\d+,\), but got"),
    ("synthetic_filter", "range", r"expected scores in \[0, 1\], but got 1.5 to 1.5"),
    ("synthetic_filter", "kept", "what is kept that are booleans, but got float64"),
    ("synthetic_filter", "reason", "expected a reason of each sample that is not kept"),
    ("imbalance", "range", rf"expected positions in \[0, {SAMPLES}\), but got 1 to {SAMPLES}"),
]


@pytest.mark.parametrize(("of", "field", "message"), WRONG, ids=lambda value: str(value)[:24])
def test_a_wrong_part_is_refused_before_or_at_the_first_step(
    of: str, field: str, message: str
) -> None:
    name = f"{of} `wrong_{'weights' if of == 'weighting' else of}`: "
    with pytest.raises(ValueError, match=f"^{name}.*(?:{message})"):
        dry_run(parse_recipe(with_part(of, field)))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("report", "expected the report to be a Report, but got dict"),
        ("metrics", "expected metrics to be a dict, but got list"),
        ("nan", "expected a finite number of metric `accuracy`, but got nan"),
        ("tensor", r"expected a number of metric `accuracy`, but got Tensor of shape \(2,\)"),
    ],
)
def test_a_wrong_report_is_refused(field: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^evaluator `wrong_evaluator`: {message}"):
        run(parse_recipe(with_part("evaluator", field)), folder=tmp_path / "run")


def test_every_family_is_refused() -> None:
    from supcon_ext.recipe.families import FAMILIES

    assert {of for of, _, _ in WRONG} | {"evaluator"} == set(FAMILIES)


def test_features_of_another_length_than_told() -> None:
    with pytest.raises(ValueError, match=r"features of shape \(batch, 5\) .* but got \(\d+, 4\)"):
        dry_run(parse_recipe(with_part("backbone", "features")))


def test_a_classifier_of_another_length_than_the_classes() -> None:
    with pytest.raises(ValueError, match=r"one number a class \(4\) .* got 5. Try: `dim: null`"):
        dry_run(parse_recipe(with_part("head", "length")))


def test_a_user_reads_one_line(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(with_part("weighting", "anchor")))
    done = supcon("run", "wrong.yaml", cwd=tmp_path)
    assert done.wait() != 0
    told = " ".join((done.stdout + done.stderr).split())
    assert (
        "weighting `wrong_weights`: expected anchor weights of shape (48,), but got (10,)" in told
    )
    assert "Traceback" not in told


class Vector(nn.Module):
    """A layer whose scale becomes part of its state in the first step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 4)

    def forward(self, images: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.register_buffer("scale", torch.ones(()))
        return torch.as_tensor(self.layer(images.flatten(1)))


@backbone("late_backbone")
def late_backbone(channels: int) -> Backbone:
    """Registers a buffer in its first step."""
    return Backbone(Vector(), 4)


@weighting("late_weighting")
class LateWeighting(WrongWeights):
    """Keeps the class vectors, which are a parameter."""

    def observe(self, step: WeightingStep) -> None:
        self.vectors = step.class_vectors


@term("late_term")
class LateTerm(WrongTerm):
    """Makes its scale in the first step."""

    def forward(self, batch: StepBatch) -> Any:
        self.scale = nn.Parameter(torch.ones(()))
        return TermResult(self.scale * batch.outputs().logits.square().mean())


@selector("array_selector")
class ArraySelector(WrongSelector):
    """Gives a state that no checkpoint carries."""

    def state_dict(self) -> dict[str, Any]:
        return {"seen": np.zeros(3)}


@pytest.mark.parametrize(
    ("of", "name", "key"),
    [
        ("weighting", "late_weighting", "terms.contrastive.loss.weighting.vectors"),
        ("term", "late_term", "terms.late_term.scale"),
        ("backbone", "late_backbone", "backbone.trunk.scale"),
        ("selector", "array_selector", "cannot be saved and read back"),
    ],
)
def test_state_that_comes_with_the_first_step_is_refused_there(
    of: str, name: str, key: str
) -> None:
    made = with_part(of, "none")
    one = made["stages"][0]
    if of in ("weighting", "selector"):
        one["objective"][0]["contrastive"][of] = {"kind": name, "field": "nothing"}
    elif of == "term":
        one["objective"][1] = {name: {"field": "nothing"}}
    else:
        made["model"]["backbone"] = name
    owner = "Vector" if of == "backbone" else f"{of} `{name}`"
    with pytest.raises(ValueError, match=f"^{owner}: expected .*{key}.* Try: "):
        dry_run(parse_recipe(made))
