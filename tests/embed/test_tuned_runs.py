"""Runs that began with weights of a file, frozen or adapted, embed as what they became."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from data_tools.vector_file import read_vectors
from supcon_ext.models.base import backbone
from supcon_ext.policies.base import ViewContext, policy
from tests.audit.coloured import paint, recipe
from tests.embed import pictures
from tests.experiment.lean import folder_of
from tests.fresh import supcon

RESIDUAL = {"kind": "resnet18_small", "width": 2}
MODELS: dict[str, dict[str, Any]] = {
    "lora": {"lora": {"rank": 2, "targets": ["conv1", "conv2"], "dropout": 0.1}},
    "weights": {"weights": "first.safetensors"},
    "lora on weights": {
        "weights": "first.safetensors",
        "lora": {"rank": 2, "targets": ["3.1.0.conv2"]},
    },
    "frozen in part": {"weights": "first.safetensors", "freeze": "layer2"},
}
INPUT = {"image_size": 20, "mean": [0.4, 0.3, 0.2], "std": [0.2, 0.3, 0.4]}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(each, marks=[] if each == "lora on weights" else pytest.mark.long)
        for each in MODELS
    ],
)
def test_a_tuned_run_embeds_by_its_own_network_and_input(model: str, tmp_path: Path) -> None:
    paint(tmp_path / "images", per_class=10)
    torch.manual_seed(7)
    first = backbone.spec(RESIDUAL).bind()(3).trunk.state_dict()
    save_file(
        {key: value.contiguous() for key, value in first.items()}, tmp_path / "first.safetensors"
    )
    made = recipe({"kind": "image_folder", "root": "images", "test": 0.0})
    made["data"] |= INPUT
    made["model"] |= {"backbone": RESIDUAL, **MODELS[model]}
    made["stages"][0] |= {"epochs": 1}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(made))
    done = supcon("run", "mine.yaml", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    ran = folder_of(tmp_path)
    moved = load_file(ran / "encoder.safetensors")
    assert any(not torch.equal(moved[f"trunk.{key}"], first[key]) for key in first)
    for gone in ("images", "first.safetensors"):  # an encoder needs none of what it came from
        (tmp_path / gone).rename(tmp_path / f"gone-{gone}")

    paths = pictures.by_class(tmp_path / "new", 2)
    done = supcon("embed", ran.name, "new", "-o", "out.npz", cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    found = read_vectors(tmp_path / "out.npz")
    assert {name: found.meta[name] for name in ("size", "mean", "std")} == {
        "size": INPUT["image_size"],
        "mean": INPUT["mean"],
        "std": INPUT["std"],
    }
    plain = backbone.spec(RESIDUAL).bind()(3)
    plain.load_state_dict(moved)  # what the run exported: LoRA's updates added up
    view = policy.get("none").make(
        ViewContext(20, 3, True, tuple(INPUT["mean"]), tuple(INPUT["std"]))
    )
    with torch.no_grad():
        rows = [plain.eval()(view(np.array(Image.open(path)), ())[None])[0] for path in paths]
    np.testing.assert_allclose(found.vectors, torch.stack(rows).numpy(), rtol=1e-4, atol=1e-5)
