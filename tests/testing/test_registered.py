"""Every registered member of every family keeps its family's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_tools.registry import family
from data_tools.samples import SampleSet
from data_tools.vector_file import write_vectors
from supcon_ext.testing import (
    check_backbone,
    check_dataset,
    check_evaluator,
    check_head,
    check_imbalance,
    check_noise,
    check_optimizer,
    check_policy,
    check_sampler,
    check_schedule,
    check_selector,
    check_term,
    check_vector_policy,
    check_weighting,
)
from tests.experiment.members import PARAMETERS, members, write_scores

NOISE: dict[str, dict[str, Any]] = {
    "asymmetric_map": {"rate": 0.3, "mapping": {0: 1}},
    "cifar_n": {},
    "from_file": {},
    "open_set": {"rate": 0.3, "foreign": {"kind": "digits", "size": 8}},
}
LARGE = ("resnet101", "resnet152", "resnet50", "resnet34", "resnet50_small", "resnet34_small")
OF_FILES = (
    "arrays",
    "cifar10",
    "cifar100",
    "from_python",
    "huggingface",
    "image_folder",
    "list_file",
    "manifest",
    "vectors",
)


def spec(of: str, name: str) -> Any:
    return family(of).spec({"kind": name, **PARAMETERS.get(of, {}).get(name, {})})


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scores(tmp_path)
    file = tmp_path / "scores.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:25]) + "\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("scores")
@pytest.mark.parametrize("name", members("selector"))
def test_selectors(name: str) -> None:
    made = spec("selector", name).build()
    generator = torch.Generator().manual_seed(0)
    check_selector(made, {"labels": (torch.rand(24, 4, generator=generator) < 0.4).float()})


@pytest.mark.parametrize(
    "given",
    [
        *({"kind": name, **PARAMETERS["weighting"].get(name, {})} for name in members("weighting")),
        {"kind": "balanced", "soft": True, "hidden": 8},
        {"kind": "balanced", "count": "printed", "hidden": 8},
        {"kind": "balanced", "prototypes": False, "unknown": 1.0},
        {"kind": "deferred", "weighting": "balanced", "start": 0.5},
    ],
    ids=str,
)
def test_weightings(given: dict[str, Any]) -> None:
    check_weighting(family("weighting").spec(given).build())


@pytest.mark.usefixtures("scores")
@pytest.mark.parametrize("name", members("term"))
def test_terms(name: str) -> None:
    check_term(spec("term", name).build())


@pytest.mark.parametrize("weighting", members("weighting"))
def test_the_contrastive_term_with_every_weighting(weighting: str) -> None:
    given = {"selector": "confident_pairs", "weighting": spec("weighting", weighting).as_dict()}
    check_term(family("term").spec({"kind": "contrastive", **given}).build())


@pytest.mark.parametrize("name", members("sampler"))
def test_samplers(name: str) -> None:
    check_sampler(spec("sampler", name).build())


@pytest.mark.parametrize("name", members("policy", "image"))
def test_policies(name: str) -> None:
    check_policy(spec("policy", name).bind())


@pytest.mark.parametrize("name", members("policy", "vector"))
def test_policies_for_vectors(name: str) -> None:
    check_vector_policy(spec("policy", name).bind())


@pytest.mark.parametrize("name", members("backbone", "vector"))
def test_backbones_for_vectors(name: str) -> None:
    check_backbone(spec("backbone", name).bind(), size=None, channels=(1, 70))


@pytest.mark.parametrize(
    "name",
    [n for n in members("backbone", "image") if n not in (*LARGE, "timm") and "pixels" not in n],
)
def test_backbones(name: str) -> None:
    check_backbone(spec("backbone", name).bind(), size=16)


@pytest.mark.long
@pytest.mark.parametrize("name", LARGE)
def test_large_backbones(name: str) -> None:
    check_backbone(spec("backbone", name).bind())


@pytest.mark.parametrize(
    "given", [*members("head"), {"kind": "mlp", "layers": 1}, {"kind": "mlp", "dim": None}], ids=str
)
def test_heads(given: Any) -> None:
    check_head(family("head").spec(given).bind())


@pytest.mark.parametrize("name", members("optimizer"))
def test_optimizers(name: str) -> None:
    check_optimizer(spec("optimizer", name).bind())


@pytest.mark.parametrize("name", members("schedule"))
def test_schedules(name: str) -> None:
    check_schedule(spec("schedule", name).bind())


@pytest.mark.parametrize("name", members("evaluator"))
def test_evaluators(name: str) -> None:
    check_evaluator(spec("evaluator", name).build())


@pytest.mark.parametrize("name", [n for n in members("dataset") if n not in OF_FILES])
def test_data_sets_without_files(name: str) -> None:
    check_dataset(spec("dataset", name).bind())


@pytest.mark.parametrize("name", [n for n in members("noise") if NOISE.get(n) != {}])
def test_noise(name: str) -> None:
    given = {"kind": name, **NOISE.get(name, {"rate": 0.3})}
    check_noise(family("noise").spec(given).bind(), many_classes(100 if "100" in name else 10))


def many_classes(classes: int) -> SampleSet:
    drawn = np.random.default_rng(0)
    side = 8 if classes == 10 else 32
    images = drawn.integers(0, 256, (4 * classes, side, side, 1 if classes == 10 else 3), np.uint8)
    names = tuple(str(number) for number in range(classes))
    return SampleSet(images, np.arange(4 * classes) % classes, names)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "exponential", "factor": 10},
        {"kind": "pareto"},
        {"kind": "step", "factor": 10},
    ],
    ids=str,
)
def test_imbalance(given: dict[str, Any]) -> None:
    check_imbalance(family("imbalance").spec(given).bind())


@pytest.mark.parametrize("views", [1, 3])
def test_vectors(views: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, views, 6)).astype(np.float16)
    x = x[:, 0] if views == 1 else x
    split = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4
    write_vectors(tmp_path / "x.npz", x, label=np.arange(20) % 2, split=split)
    check_dataset(
        family("dataset").spec({"kind": "vectors", "file": str(tmp_path / "x.npz")}).bind()
    )
