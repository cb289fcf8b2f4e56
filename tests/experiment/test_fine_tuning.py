"""Runs that begin with weights of a file, frozen or adapted: end to end, as a user calls them."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file
from torch import nn

from supcon_ext import Backbone, OwnInput, SampleSet, backbone, open_run
from supcon_ext.experiment.build import build_model, sample_context
from supcon_ext.experiment.encoder import encoder_of
from supcon_ext.recipe import RecipeError, parse_recipe
from supcon_ext.tracking.events import Tag
from supcon_ext.tracking.journal import read
from supcon_ext.tracking.results import read_results
from supcon_ext.training.checkpoint import load_checkpoint
from tests.experiment.lean import RECIPE, STEPS, folder_of, supcon

WEIGHTS = "model.weights=first.safetensors"
MODES = {
    "rates": [
        "model.freeze=conv2",
        "model.ema=0.9",
        "stages.select.optimizer={kind: adamw, lr: 0.001, layer_decay: 0.7, head_lr: 0.1}",
    ],
    "residual": [
        "model.backbone={kind: resnet18_small, width: 2}",
        "model.checkpointing=true",
        "model.freeze=layer1",
    ],
}
LORA = [
    "model.backbone={kind: resnet18_small, width: 2}",
    "model.lora={rank: 2, targets: [conv1, conv2], dropout: 0.1}",
]


def written(place: Path, overrides: list[str], seed: int = 7) -> Path:
    """Weights for the encoder of a recipe with these overrides."""
    residual = any("resnet18" in override for override in overrides)
    kind = "resnet18_small" if residual else "conv4"
    torch.manual_seed(seed)
    made = backbone.get(kind).target(1, width=2)
    path = place / "first.safetensors"
    state = {k: v.contiguous() for k, v in made.trunk.state_dict().items()}
    safetensors.torch.save_file(state, path)
    return path


def tags(folder: Path) -> dict[str, str]:
    events = read(folder / "journal.jsonl")
    return {event.key: event.value for event in events if isinstance(event, Tag)}


def numbers(folder: Path) -> dict[str, Any]:
    results = read_results(folder)
    results.pop("seconds")
    return results


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_killed_and_resumed_without_the_file_ends_the_same(mode: str, tmp_path: Path) -> None:
    folders = []
    for place, at in ((tmp_path / "whole", None), (tmp_path / "killed", STEPS - 1)):
        place.mkdir()
        path = written(place, MODES[mode])
        call = ["run", "lean.yaml", WEIGHTS, *MODES[mode]]
        moment = None if at is None else ("step", at, int(signal.SIGKILL))
        done = supcon(*call, cwd=place, at=moment)
        assert done.wait() == (0 if at is None else -signal.SIGKILL), done.stderr
        folders.append(folder_of(place))
    first = load_file(path)
    found = tags(folders[0])
    assert found["weights"] == "first.safetensors"
    assert "tensors of the encoder fit" in found["weights.fit"]
    record = json.loads((folders[1] / "fingerprint.json").read_text())["content"]
    assert record["fingerprint"]["weights"] == found["weights.sha256"]
    path.unlink()
    resumed = supcon("resume", str(folders[1]), cwd=path.parent)
    assert resumed.wait() == 0, resumed.stderr
    assert "first.safetensors, which the first weights came from, is not there" in " ".join(
        resumed.stderr.split()
    )
    assert numbers(folders[0]) == numbers(folders[1])
    exported = load_file(folders[0] / "encoder.safetensors")
    kept = {k for k, v in first.items() if torch.equal(exported[f"trunk.{k}"], v)}
    learned = {k for k in first if not k.endswith("num_batches_tracked")}
    blocks = ("0.", "1.", "4.", "5.") if mode == "rates" else ("0.", "1.", "3.0.")
    assert kept & learned == {k for k in learned if k.startswith(blocks)}
    if mode == "rates":
        state = load_checkpoint(folders[0] / "checkpoints" / "last.pt")
        twin = state["twin"]
        for key in kept & learned:
            assert torch.equal(twin[f"average.module.backbone.trunk.{key}"], first[key])
        moving = sum(len(group["params"]) for group in state["optimizer"]["param_groups"])
        assert moving == 2 * 3 + 2 + 5  # two convolutions and norms, classifier, projector


def test_a_file_that_changed_is_told_of_and_the_run_goes_on(tmp_path: Path) -> None:
    path = written(tmp_path, [])
    killed = supcon("run", "lean.yaml", WEIGHTS, cwd=tmp_path, at=("step", 7, int(signal.SIGKILL)))
    assert killed.wait() == -signal.SIGKILL, killed.stderr
    written(tmp_path, [], seed=8)
    done = supcon("resume", str(folder_of(tmp_path)), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    assert f"{path.name}, which the first weights came from, has changed since" in " ".join(
        done.stderr.split()
    )


def test_begun_again_from_another_file_is_refused(tmp_path: Path) -> None:
    written(tmp_path, [])
    killed = supcon("run", "lean.yaml", WEIGHTS, cwd=tmp_path, at=("step", 1, int(signal.SIGKILL)))
    assert killed.wait() == -signal.SIGKILL, killed.stderr
    written(tmp_path, [], seed=8)
    refused = supcon("resume", str(folder_of(tmp_path)), cwd=tmp_path)
    assert refused.wait() == 2
    assert "weights: first weights was" in refused.stderr


@pytest.mark.long
def test_a_runs_own_export_loads_and_lora_is_exported_merged(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    done = supcon("run", "lean.yaml", LORA[0], cwd=before)
    assert done.wait() == 0, done.stderr
    own = folder_of(before) / "encoder.safetensors"
    slow = [f"stages.{stage}.optimizer.lr=0.01" for stage in ("warmup", "select")]
    call = ["run", "lean.yaml", *LORA, *slow, f"model.weights={own}"]
    folders = []
    for name, at in (("whole", None), ("killed", STEPS - 1)):
        (tmp_path / name).mkdir()
        moment = None if at is None else ("step", at, int(signal.SIGKILL))
        done = supcon(*call, cwd=tmp_path / name, at=moment)
        assert done.wait() == (0 if at is None else -signal.SIGKILL), done.stderr
        folders.append(folder_of(tmp_path / name))
    resumed = supcon("resume", str(folders[1]), cwd=tmp_path / "killed")
    assert resumed.wait() == 0, resumed.stderr
    assert numbers(folders[0]) == numbers(folders[1])
    exported, first = load_file(folders[0] / "encoder.safetensors"), load_file(own)
    assert exported.keys() == first.keys()
    changed = {key for key in first if not torch.equal(first[key], exported[key])}
    assert changed == {k for k in first if k.endswith((".conv1.weight", ".conv2.weight"))}
    opened = open_run(folders[0]).network.backbone
    images = torch.rand(2, 1, 8, 8)
    plain = backbone.get("resnet18_small").target(1, width=2).eval()
    plain.load_state_dict(exported)
    torch.testing.assert_close(plain(images), opened(images), rtol=1e-4, atol=1e-5)


BAD = {
    "another architecture": (
        ["model.backbone={kind: conv4, width: 4}"],
        "of another shape (0.weight (4, 1, 3, 3) not (2, 1, 3, 3)",
    ),
    "no weights": (["model.weights=lean.yaml"], "Expected a file of weights"),
    "no file": (["model.weights=nowhere.pt"], "nowhere.pt, but there is none"),
    "freeze": (["model.freeze=layer1"], "Try: all, conv1, conv2, conv3, conv4"),
    "lora": (["model.lora={targets: [qkv]}"], "model.lora.targets, but 'qkv' names none"),
    "decay": (["stages.select.optimizer.layer_decay=1.5"], "layer_decay"),
    "checkpointing": (["model.checkpointing=true"], "several blocks for model.checkpointing"),
}
WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "`freeze` or `lora`": ({"freeze": "all", "lora": {"targets": ["0"]}}, {}),
    "beside `weights`": ({"partial_weights": True}, {}),
    "model.lora.rank": ({"lora": {"targets": ["0"], "rank": 0}}, {}),
    "model.lora.targets": ({"lora": {"targets": []}}, {}),
    "optimizer.layer_decay": ({}, {"kind": "lars", "layer_decay": 0}),
    "optimizer.head_lr": ({}, {"kind": "sgd", "head_lr": -1}),
}


@pytest.mark.parametrize("told", WRONG)
def test_what_no_recipe_can_say(told: str) -> None:
    model, optimizer = WRONG[told]
    stage = {"name": "s", "epochs": 1, "objective": ["cross_entropy"]}
    stages = [{**stage, "optimizer": optimizer or "sgd"}]
    with pytest.raises(RecipeError, match=re.escape(told)):
        parse_recipe({"name": "x", "model": model, "stages": stages})


@pytest.mark.parametrize("mistake", BAD)
def test_mistakes_are_known_before_the_first_step(mistake: str, tmp_path: Path) -> None:
    written(tmp_path, [])
    overrides, told = BAD[mistake]
    refused = supcon("run", "lean.yaml", WEIGHTS, *overrides, cwd=tmp_path)
    assert refused.wait() == 2, refused.stderr
    assert told in " ".join(refused.stderr.split()) and "raceback" not in refused.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


@backbone("published_of_a_test")
def published(channels: int, *, pretrained: bool = False) -> Backbone:
    """An encoder with weights of its own, on images of a size of their own."""
    layers = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, 6)]
    own = OwnInput((0.2, 0.4, 0.6), (0.1, 0.2, 0.3), 24)
    return Backbone(nn.Sequential(*layers), 6, own_input=own, pretrained=pretrained)


@pytest.mark.parametrize("pretrained", [False, True])
def test_size_and_statistics_are_the_encoders_own_where_the_recipe_says_nothing(
    pretrained: bool,
) -> None:
    import yaml

    content = yaml.safe_load(RECIPE)
    content["model"]["backbone"] = {"kind": "published_of_a_test", "pretrained": pretrained}
    content["data"] |= {"mean": None, "std": None}
    images = torch.randint(0, 255, (8, 12, 12, 3), dtype=torch.uint8).numpy()
    train = SampleSet(images, torch.arange(8).numpy() % 2, ("a", "b"))
    for fresh in (True, False):
        recipe = parse_recipe(content)
        network = build_model(recipe, 2, train.spec, fresh=fresh)
        assert network.backbone.pretrained is pretrained
        made = sample_context(recipe.data, train, None, network.own_input)
        if pretrained:
            assert (made.size, made.mean, made.std) == (24, (0.2, 0.4, 0.6), (0.1, 0.2, 0.3))
        else:
            assert made.size == 12
            assert made.mean == pytest.approx((images / 255).mean((0, 1, 2)), abs=1e-6)
        facts = network.backbone.first_weights
        assert (facts is not None) is (pretrained and fresh)
    content["data"] |= {"mean": [0.5, 0.5, 0.5], "image_size": 16}
    made = sample_context(parse_recipe(content).data, train, None, network.own_input)
    assert made.size == 16 and made.mean == (0.5, 0.5, 0.5)
    if pretrained:
        assert made.std == (0.1, 0.2, 0.3)


def test_by_default_nothing_of_this_changes_an_encoder() -> None:
    model = parse_recipe(
        {"name": "x", "stages": [{"name": "s", "epochs": 1, "objective": ["cross_entropy"]}]}
    ).model
    made = encoder_of(model, "image", fresh=True)(3)
    assert made.still == () and made.first_weights is None and not made.pretrained
    assert all(parameter.requires_grad for parameter in made.parameters())
