"""A loaded encoder gives a run's own numbers, to the bit, whatever the run measured with."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import supcon_ext
from supcon_ext import experiment
from supcon_ext.evaluation.base import Prediction
from supcon_ext.evaluation.metrics import negative_log_likelihood
from supcon_ext.experiment.build import build_data
from supcon_ext.experiment.model_files import MODEL, PREDICTORS, TENSORS
from supcon_ext.recipe import parse_recipe
from tests.use import toy

DIGITS = {"kind": "digits", "size": 8}
CONTRASTIVE = [{"contrastive": {"selector": "label"}}]
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "classifier": ("classifier", {"objective": ["cross_entropy"], "evaluation": ["classifier"]}),
    "averaged": (
        "classifier",
        {"objective": ["cross_entropy"], "evaluation": ["classifier"], "model": {"ema": 0.9}},
    ),
    "adapted": (
        "classifier",
        {
            "objective": ["cross_entropy"],
            "evaluation": ["classifier"],
            "model": {"lora": {"rank": 2, "targets": ["4"]}},
        },
    ),
    "probe": ("linear_probe", {"evaluation": ["linear_probe", "knn"]}),
    "steps": (
        "linear_probe",
        {"evaluation": [{"kind": "linear_probe", "solver": "sgd", "epochs": 2}]},
    ),
    "judged": ("linear_probe", {"evaluation": [{"kind": "calibration", "of": "linear_probe"}]}),
    "votes": ("knn", {"evaluation": [{"kind": "knn", "k": 7, "space": "projection"}]}),
    "nothing": ("knn", {"evaluation": []}),
    "vectors": ("linear_probe", {"evaluation": ["linear_probe"]}),
}


def of_run(
    folder: Path, objective: Any = CONTRASTIVE, model: Any = None, **changes: Any
) -> dict[str, Any]:
    plain: dict[str, Any] = {"kind": "conv4", "width": 4}
    dataset: dict[str, Any] = DIGITS
    views = {"policy": "weak", "count": 2}
    if folder.name == "vectors":
        draw = np.random.default_rng(0)
        label = np.arange(90) % 3
        rows = draw.normal(size=(90, 6)) + 2 * np.eye(3, 6)[label]
        from data_tools.vector_file import write_vectors

        write_vectors(
            folder.parent / "v.npz",
            rows.astype(np.float32),
            label=label,
            classes=("a", "b", "c"),
            split=np.where(np.arange(90) < 60, "train", "test"),
        )
        dataset = {"kind": "vectors", "file": str(folder.parent / "v.npz")}
        plain = {"kind": "mlp", "dim": 16}
        views = {"policy": "gaussian_noise", "count": 2}
    return {
        "name": folder.name,
        "data": {"dataset": dataset},
        "model": {"backbone": plain, "projector": {"hidden": 8, "dim": 4}, **(model or {})},
        "stages": [
            {
                "name": "one",
                "epochs": 1,
                "batch_size": 48,
                "views": views,
                "objective": objective,
                "optimizer": {"kind": "sgd", "lr": 0.05},
            }
        ],
        "tracking": {"uri": "none"},
        "compute": {"accelerator": "cpu"},
        **changes,
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """Runs of each kind, made when asked for, without drawing and tracing."""
    place = tmp_path_factory.mktemp("runs")

    class Made(dict[str, Path]):
        def __missing__(self, name: str) -> Path:
            changes = RUNS[name][1]
            made = parse_recipe(of_run(place / name, **changes))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("supcon_ext.experiment.report._draw", lambda *a: [])
                patch.setattr("supcon_ext.experiment.report.export_encoder", exported)
                self[name] = experiment.run(made, folder=place / name).folder
            return self[name]

    yield Made()


def exported(encoder: Any, shape: tuple[int, ...], path: Path) -> Any:
    from supcon_ext.tracking.encoder_file import EncoderFile

    path.write_bytes(b"")
    return EncoderFile(path, (-1, *shape), (-1, 1), "float32", "0")


@pytest.mark.parametrize("name", RUNS)
def test_the_numbers_are_those_of_the_run(name: str, runs: dict[str, Path]) -> None:
    folder, kind = runs[name], RUNS[name][0]
    test = build_data(experiment.standing.recipe_of(folder).data).test
    assert test is not None
    encoder = supcon_ext.load(folder, device="cpu")
    assert encoder.predictor == kind
    found = json.loads((folder / "results.json").read_text())["last"]["test"]
    proba = encoder.predict_proba(test)
    right = np.asarray(encoder.classes)[test.label] == encoder.predict(test)
    if name == "nothing":
        from supcon_ext.evaluation.knn import KNN

        assert KNN().probabilistic is False and not found
        assert right.mean() > 0.2
        return
    told = found.get(kind, found.get("calibration"))
    if "accuracy" in told:
        assert right.mean() == told["accuracy"]
    if "nll" in told:  # any bit of any probability would show
        prediction = Prediction(torch.from_numpy(proba), torch.from_numpy(test.label))
        assert negative_log_likelihood(prediction) == told["nll"]
    assert np.allclose(proba.sum(1), 1) and proba.shape == (len(test), len(encoder.classes))


def test_every_kind_of_predictor_is_tried() -> None:
    assert {kind for kind, _ in RUNS.values()} == set(PREDICTORS)


def test_what_is_known_of_the_run(runs: dict[str, Path]) -> None:
    encoder = supcon_ext.load(runs["classifier"], device="cpu")
    data = build_data(experiment.standing.recipe_of(runs["classifier"]).data)
    assert encoder.classes == data.train.classes
    assert encoder.statistics["count"] == data.counts.tolist()
    kept = json.loads((runs["classifier"] / "statistics.json").read_text())
    assert list(encoder.preprocessing.mean) == kept["mean"]
    assert list(encoder.preprocessing.std) == kept["std"]
    assert encoder.preprocessing.size == 8 and encoder.preprocessing.channels == 1
    for word in ("classifier", "10 classes", "8 px", "cpu"):
        assert word in repr(encoder)


def test_without_its_data_elsewhere_and_without_pickle(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(runs["vectors"], moved)
    shutil.rmtree(moved / "checkpoints")
    (moved / "encoder.pt2").unlink()
    (runs["vectors"].parent / "v.npz").rename(tmp_path / "v.npz")
    for owner, name in (
        (torch, "load"),
        (pickle, "loads"),
        (pickle, "load"),
        (pickle, "Unpickler"),
    ):
        monkeypatch.setattr(owner, name, None)
    encoder = supcon_ext.load(moved, device="cpu")
    (tmp_path / "v.npz").rename(runs["vectors"].parent / "v.npz")
    assert encoder.embed(np.ones((2, 6), np.float32)).shape == (2, 16)


def test_batches_and_workers_change_rounding_at_most(tmp_path: Path) -> None:
    toy.write(tmp_path / "m", toy.context())
    pictures = np.random.default_rng(0).integers(0, 256, (7, 20, 18, 3), dtype=np.uint8)
    whole = supcon_ext.load(tmp_path / "m", device="cpu").embed(pictures)
    for settings in ({"batch": 1}, {"batch": 3}, {"batch": 3, "workers": 1}):
        other = supcon_ext.load(tmp_path / "m", device="cpu", **settings).embed(pictures)
        assert np.allclose(other, whole, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("settings", [{"batch": 0}, {"workers": -1}, {"device": "abacus"}])
def test_wrong_settings(settings: dict[str, Any], tmp_path: Path) -> None:
    toy.write(tmp_path / "m", toy.context())
    with pytest.raises(ValueError, match="Expected"):
        supcon_ext.load(tmp_path / "m", **settings)


def test_the_distance_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    toy.write(tmp_path / "m", toy.context())
    encoder = supcon_ext.load(tmp_path / "m", device="cpu")
    pictures = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    judged = encoder.judge(pictures)
    features = encoder.embed(pictures)
    kept = safetensors.torch.load_file(tmp_path / "m" / TENSORS)
    rows, label = kept["reference.vectors"].numpy(), kept["reference.label"].numpy()
    for feature, class_, distance in zip(features, judged.class_, judged.distance, strict=True):
        unit = feature / np.linalg.norm(feature)
        nearest = sorted(1 - rows[label == class_] @ unit)[:5]
        assert np.isclose(np.mean(nearest), distance, atol=1e-6)
    assert (judged.probability.argmax(1) == judged.class_).all()
    told = encoder.statistics
    for class_ in range(3):
        mine = rows[label == class_]
        apart = np.sort(1 - mine @ mine.T, axis=1)[:, 1:6].mean(1)
        assert np.isclose(told["median"][class_], np.median(apart), atol=1e-6)
        assert np.isclose(told["quantile_95"][class_], np.quantile(apart, 0.95), atol=1e-6)


# -- what cannot be loaded -----------------------------------------------------------------------


def refused(folder: Path) -> str:
    with pytest.raises(ValueError) as told:
        supcon_ext.load(folder)
    assert str(told.value).startswith("Expected")
    return str(told.value)


@pytest.mark.parametrize("file", [MODEL, TENSORS])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage", "foreign"])
def test_damaged_files(file: str, damage: str, tmp_path: Path) -> None:
    here, other = toy.write(tmp_path / "m", toy.context()), toy.write(tmp_path / "o", toy.vectors())
    place = here / file
    content = place.read_bytes()
    if damage == "missing":
        place.unlink()
    elif damage == "foreign":
        place.write_bytes((other / file).read_bytes())
    else:
        half = content[: len(content) // 2]
        place.write_bytes({"empty": b"", "cut": half, "garbage": b"\x00\xff garbage"}[damage])
    assert refused(here)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": None},
        {"classes": ["a"]},
        {"classes": 7},
        {"predictor": {}},
        {"predictor": {"kind": "oracle"}},
        {"predictor": {"kind": "linear_probe", "colour": 3}},
        {"preprocessing": {}},
        {"preprocessing": {"kind": "image"}},
        {"recipe": {}},
        {"recipe": {"name": "a", "stages": []}},
        {"training": 3},
        {"tensors": ""},
    ],
    ids=str,
)
def test_a_model_edited_by_hand(change: dict[str, Any], tmp_path: Path) -> None:
    here = toy.write(tmp_path / "m", toy.context())
    record = json.loads((here / MODEL).read_text())
    (here / MODEL).write_text(json.dumps({**record, **change}))
    with pytest.raises(ValueError):
        supcon_ext.load(here)


def test_a_run_that_is_not_finished_or_is_older(runs: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(runs["nothing"], copy)
    (copy / MODEL).unlink()
    assert "older" in refused(copy)
    (copy / "results.json").unlink()
    assert "finished" in refused(copy)
    assert "nowhere" in refused(tmp_path / "nowhere")
