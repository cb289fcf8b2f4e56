"""Exported encoders give what the original gives, in the programs that they are for."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner, Result
from PIL import Image

import supcon_ext
from data_tools.vector_file import write_vectors
from supcon_ext.cli import main
from supcon_ext.use.export import FORMATS
from supcon_ext.use.formats.base import ExportFormat
from tests.embed import pictures
from tests.use import toy


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*arguments: str) -> Result:
    given = ["export", "m", *arguments]
    return CliRunner().invoke(main, given if "-o" in arguments else [*given, "-o", "out"])


def done(*arguments: str) -> dict[str, Any]:
    told = export(*arguments)
    assert told.exit_code == 0, (told.output, told.exception)
    assert "largest difference: features" in told.stdout and "wrote out" in told.stdout
    record: dict[str, Any] = json.loads(Path("out/encoder.json").read_text())
    assert record["file"] in told.stdout and (Path("out") / record["file"]).is_file()
    found = record["checked"]["largest_difference"]
    assert all(value is None or value < 1e-4 for value in found.values())
    return record


def made_by_hand(record: dict[str, Any], paths: list[Path]) -> np.ndarray:
    """Resized pictures as a reader of encoder.json makes them, with Pillow and numpy alone."""
    side = record["preprocessing"]["size"]
    made = []
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("RGB"))
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        made.append(pixels[top : top + side, left : left + side].transpose(2, 0, 1))
    return np.stack(made).astype(np.float32)


def squares(count: int = 5) -> list[Path]:
    """Pictures that need no resizing."""
    paths = []
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Path("new").mkdir(exist_ok=True)
        paths.append(Path(f"new/{number}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


LONG = pytest.mark.long


@pytest.mark.parametrize(
    "by",
    ["linear_probe", *(pytest.param(name, marks=LONG) for name in ("classifier", "knn"))],
)
def test_onnx_says_the_same_in_onnxruntime(by: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    toy.write(Path("m"), toy.context(), by)
    paths = squares()
    record = done("--format", "onnx", "--data", "new")
    session = runtime.InferenceSession("out/encoder.onnx")
    given = made_by_hand(record, paths)
    encoder = supcon_ext.load("m", device="cpu")
    for rows in (given, given[:1]):
        features, probability = session.run(None, {record["input"]["name"]: rows})
        names = [record["classes"][number] for number in probability.argmax(1)]
        assert names == encoder.predict(paths[: len(rows)]).tolist()
        assert np.allclose(features, encoder.embed(paths[: len(rows)]), rtol=1e-3, atol=1e-4)
        assert np.allclose(probability, encoder.predict_proba(paths[: len(rows)]), atol=1e-4)


@pytest.mark.parametrize("by", ["classifier", "linear_probe", "knn"])
def test_torch_export_says_the_same(by: str) -> None:
    toy.write(Path("m"), toy.context(), by)
    paths = squares()
    record = done("--format", "torch_export", "--data", "new")
    program = torch.export.load("out/encoder.pt2").module()
    encoder = supcon_ext.load("m", device="cpu")
    given = torch.from_numpy(made_by_hand(record, paths))
    for rows in (given, given[:1]):
        with torch.no_grad():
            features, probability = program(rows)
        assert np.allclose(features, encoder.embed(paths[: len(rows)]), rtol=1e-3, atol=1e-4)
        assert np.allclose(probability, encoder.predict_proba(paths[: len(rows)]), atol=1e-4)


def test_timm_loads_its_own() -> None:
    model = {"backbone": {"kind": "timm", "name": "test_resnet"}, "projector": {"dim": 4}}
    toy.write(Path("m"), toy.context(), made=toy.recipe(**model))
    paths = squares()
    record = done("--format", "timm", "--data", "new")
    network = timm.create_model("local-dir:out", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(network)
    assert np.allclose(config["mean"], toy.context().mean)
    assert np.allclose(config["std"], toy.context().std)
    assert config["input_size"] == (3, 16, 16)
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    given = torch.from_numpy(made_by_hand(record, paths)) / 255
    with torch.no_grad():
        features = network((given - mean) / std).numpy()
    encoder = supcon_ext.load("m", device="cpu")
    assert np.allclose(features, encoder.embed(paths), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("by", ["classifier", "linear_probe", "knn"])
def test_safetensors_hold_all_of_it(by: str) -> None:
    toy.write(Path("m"), toy.context(), by)
    squares()
    record = done("--format", "safetensors", "--data", "new")
    assert record["preprocessing"]["mean"] == list(toy.context().mean)
    assert record["predictor"]["kind"] == by and record["classes"] == list(toy.CLASSES)


@pytest.mark.parametrize(
    "kind",
    ["safetensors", *(pytest.param(name, marks=LONG) for name in ("torch_export", "onnx"))],
)
def test_adapted_networks_vectors_and_stored_pictures(kind: str) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    squares()
    lora = {"rank": 2, "targets": ["4"]}
    toy.write(Path("m"), toy.context(), made=toy.recipe(lora=lora))
    done("--format", kind, "--data", "new")
    toy.write(Path("m"), toy.vectors())
    write_vectors("v.npz", np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32))
    assert export("--format", kind, "--data", "v.npz", "-o", "vectors").exit_code == 0
    toy.write(Path("m"), toy.context(2, "uint16", 4095.0))
    Path("stored").mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 4096, (18, 20, 2), dtype=np.uint16)
        np.save(f"stored/{number}.npy", pixels)
    told = export("--format", kind, "--data", "stored", "-o", "deep")
    assert told.exit_code == 0, told.output
    record = json.loads(Path("deep/encoder.json").read_text())
    assert record["preprocessing"]["scale"] == 4095.0


def test_the_data_of_the_run_are_the_usual_check() -> None:
    toy.write(Path("m"), toy.context(1))  # its recipe names the digits
    assert "64 real samples" in export("--format", "safetensors").stdout
    toy.write(Path("m"), toy.context(3))
    told = export("--format", "safetensors", "-o", "other")
    assert told.exit_code == 2 and "--data" in told.stderr and not Path("other").exists()


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=LONG if kind == "onnx" else ()) for kind in FORMATS]
)
def test_one_that_differs_is_not_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    model = {"backbone": {"kind": "timm", "name": "test_resnet"}, "projector": {"dim": 4}}
    toy.write(Path("m"), toy.context(), made=toy.recipe(**model))
    squares()
    form: ExportFormat = FORMATS[kind]
    write = type(form).write

    def wrong(self: Any, model: Any, samples: torch.Tensor, draft: Path) -> None:
        with torch.no_grad():
            kept = {k: v.clone() for k, v in model.network.state_dict().items()}
            for parameter in model.network.backbone.parameters():
                parameter.mul_(1.02)
            write(self, model, samples, draft)
            model.network.load_state_dict(kept)

    monkeypatch.setattr(type(form), "write", wrong)
    before = sorted(Path().rglob("*"))
    told = export("--format", kind, "--data", "new")
    assert told.exit_code == 2, told.output
    assert "features differ by" in told.stderr and "nothing was written" in told.stderr
    assert sorted(Path().rglob("*")) == before


def test_what_is_there_stays_there() -> None:
    toy.write(Path("m"), toy.context())
    squares()
    Path("out").mkdir()
    Path("out/mine").write_text("mine")
    told = export("--format", "safetensors", "--data", "new")
    assert told.exit_code == 2 and [p.name for p in Path("out").iterdir()] == ["mine"]


def test_a_network_that_is_not_of_timm() -> None:
    toy.write(Path("m"), toy.context())
    squares()
    told = export("--format", "timm", "--data", "new")
    assert told.exit_code == 2 and "conv4" in told.stderr and not Path("out").exists()


def test_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    toy.write(Path("m"), toy.context())
    squares()
    imported = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0].startswith("onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *rest, **more)

    monkeypatch.setattr("data_tools.optional_package.importlib.import_module", missing)
    told = export("--format", "onnx", "--data", "new")
    assert told.exit_code == 2 and "supcon-ext[onnx]" in told.stderr
    assert not Path("out").exists()


def test_every_format_is_offered() -> None:
    (option,) = [each for each in main.commands["export"].params if each.name == "kind"]
    assert set(option.type.choices) == set(FORMATS)  # type: ignore[attr-defined]


def test_pictures_of_other_sizes_are_resized_first() -> None:
    toy.write(Path("m"), toy.context())
    pictures.flat(Path("new"))
    done("--format", "torch_export", "--data", "new")
