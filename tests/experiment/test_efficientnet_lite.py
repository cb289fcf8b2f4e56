"""The example of a plug-in backbone with real weights: in a recipe, frozen, for one short epoch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from supcon_ext.models.base import backbone
from supcon_ext.models.blocks import blocks_of
from tests.experiment.lean import folder_of
from tests.experiment.test_fine_tuning import tags
from tests.fresh import Fresh, start
from tests.made_pictures import pictures, write_picture

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPE = {
    "name": "lite",
    "plugins": ["efficientnet_lite"],
    "data": {"dataset": {"kind": "image_folder", "root": "pictures"}, "validation": 0},
    "model": {"backbone": "efficientnet_lite0", "projector": {"hidden": 8, "dim": 4}},
    "stages": [
        {
            "name": "tune",
            "epochs": 1,
            "batch_size": 20,
            "views": {"policy": "none", "count": 1},
            "objective": ["cross_entropy"],
        }
    ],
    "evaluation": [],
    "validate_every": 0,
    "tracking": {"uri": "none"},
}


def run(*arguments: str, cwd: Path) -> Fresh:
    return start(_work, list(arguments), cwd=cwd)


def _work(arguments: list[str]) -> None:
    from supcon_ext.cli import main
    from tests.experiment.lean import without_drawing

    sys.path.insert(0, str(EXAMPLES))
    without_drawing()
    main(arguments, prog_name="supcon")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    images, label = pictures(40, 3, "uint8", 12)
    for number, (image, name) in enumerate(zip(images, label, strict=True)):
        write_picture(tmp_path / "pictures" / str(name) / f"{number}.png", image)
    (tmp_path / "lite.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def test_it_trains_behind_frozen_blocks_on_its_own_input(place: Path) -> None:
    call = ["run", "lite.yaml", "model.freeze=block13", "data.image_size=32"]
    done = run(*call, cwd=place)
    assert done.wait() == 0, done.stderr
    folder = folder_of(place)
    found = tags(folder)
    assert found["weights"] == "efficientnet_lite0" and len(found["weights.sha256"]) == 64
    assert found["input.mean"] == str((127 / 255,) * 3) and found["input.size"] == "32"
    assert found["input.std"] == str((128 / 255,) * 3)
    sys.path.insert(0, str(EXAMPLES))
    try:
        import efficientnet_lite  # noqa: F401
    finally:
        sys.path.remove(str(EXAMPLES))
    made = backbone.get("efficientnet_lite0").target(3)
    names = [block.name for block in blocks_of(made)]
    assert names == ["stem", *(f"block{number}" for number in range(16)), "head"]
    exported, first = load_file(folder / "encoder.safetensors"), made.state_dict()
    assert exported.keys() == first.keys()
    kept = {key.split(".")[1] for key in first if torch.equal(exported[key], first[key])}
    moved = {key.split(".")[1] for key in first if not torch.equal(exported[key], first[key])}
    assert moved == {"block14", "block15", "head"}
    assert kept >= set(names[:15])
    with pytest.raises(ValueError, match="images of 3 channels for efficientnet_lite0"):
        backbone.get("efficientnet_lite0").target(1)


def test_the_module_and_its_two_lines_are_short() -> None:
    text = (EXAMPLES / "efficientnet_lite.py").read_text()
    assert len(text.splitlines()) <= 60
    assert "plugins: [efficientnet_lite]" in text and "backbone: efficientnet_lite0" in text
