"""Vectors are what a plain loop over the encoder gives: of every kind of encoder and of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import yaml
from PIL import Image
from sklearn.datasets import load_digits

import supcon_ext
from data_tools.samples import SampleSet
from data_tools.vector_file import VectorFile, read_vectors
from supcon_ext import Backbone, embed_pictures, experiment
from supcon_ext.policies.base import View, ViewContext, policy
from supcon_ext.recipe.load import load_recipe
from supcon_ext.seeding import seeded_weights
from tests.audit.coloured import paint, recipe
from tests.embed import pictures, slow_encoder
from tests.use import toy

HERE = "tests.embed.slow_encoder"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def embedded(*arguments: Any, **settings: Any) -> VectorFile:
    embed_pictures(*arguments, "out.npz", device="cpu", **settings)
    return read_vectors("out.npz")


def context(size: int, mean: Any = MEAN, std: Any = STD) -> ViewContext:
    return ViewContext(size, 3, True, mean, std)


def plain(size: int, crop: float | None = 1.0, mean: Any = MEAN, std: Any = STD) -> View:
    return policy.get("none").make(context(size, mean, std), crop_fraction=crop)


def looped(network: torch.nn.Module, view: View, paths: list[Path]) -> np.ndarray:
    """One picture at a time, with Pillow and nothing of this package's reading."""
    with torch.no_grad():
        rows = [network.eval()(view(np.array(Image.open(path)), ())[None])[0] for path in paths]
    return torch.stack(rows).numpy()


def plug_in(name: str = "means", channels: int = 3) -> Backbone:
    with seeded_weights(0, f"{HERE}.{name}"):
        return getattr(slow_encoder, name)(channels)


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_plug_in_with_what_it_does_not_say(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    found = embedded(f"{HERE}.means", "pics", size=16)
    assert close(found.vectors, looped(plug_in(), plain(16), paths))
    assert found.vectors.dtype == np.float32


def test_a_plug_in_that_says_how_it_wants_its_pictures(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    own = slow_encoder.Particular.pretrained_cfg
    view = plain(20, 0.8, own["mean"], own["std"])
    found = embedded(f"{HERE}.particular", "pics")
    assert close(found.vectors, looped(plug_in("particular"), view, paths))
    assert found.meta["size"] == 20
    assert found.meta["policy"] == {"kind": "none", "crop_fraction": 0.8}


def test_a_plug_in_whose_backbone_says_it(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    view = plain(18, None, (0.3, 0.2, 0.1), (0.6, 0.5, 0.4))
    found = embedded(f"{HERE}.saying", "pics")
    assert close(found.vectors, looped(plug_in("saying"), view, paths))


@pytest.mark.parametrize("ending", ["safetensors", "pt", "wrapped.pt"])
def test_timm_with_a_file_of_weights(ending: str, folder: Path) -> None:
    paths = pictures.by_class(folder / "pics", 2)
    torch.manual_seed(7)
    whole = timm.create_model("test_resnet", pretrained=False)  # with its classifier
    state = whole.state_dict()
    if ending == "safetensors":
        safetensors.torch.save_file(state, "weights.safetensors")
    else:
        wrapped = {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}
        torch.save(state if ending == "pt" else wrapped, f"weights.{ending}")
    found = embedded("timm:test_resnet", "pics", weights=f"weights.{ending}")
    whole.reset_classifier(0)
    assert close(found.vectors, looped(whole, plain(160, 0.95, (0.5,) * 3, (0.5,) * 3), paths))
    smaller = embedded("timm:test_resnet", "pics", weights=f"weights.{ending}", size=48, force=True)
    assert close(smaller.vectors, looped(whole, plain(48, 1.0, (0.5,) * 3, (0.5,) * 3), paths))
    assert smaller.meta["weights"] == found.meta["weights"]


def test_timm_with_its_own_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = pictures.by_class(folder / "pics", 2)
    torch.manual_seed(8)
    there = timm.create_model("test_vit", pretrained=False, num_classes=0)
    create = timm.create_model

    def fetched(name: str, pretrained: bool, **settings: Any) -> torch.nn.Module:
        made = create(name, pretrained=False, **settings)
        if pretrained:
            made.load_state_dict(there.state_dict())
        return made

    monkeypatch.setattr(timm, "create_model", fetched)
    found = embedded("timm:test_vit", "pics")
    assert close(found.vectors, looped(there, plain(160, 0.95, (0.5,) * 3, (0.5,) * 3), paths))


@pytest.mark.parametrize("older", [False, True], ids=["run", "run of before models were kept"])
def test_a_run_with_its_own_statistics(older: bool, folder: Path) -> None:
    paint(folder / "images", per_class=10)
    dataset = {"kind": "image_folder", "root": "images", "test": 0.0}
    (folder / "mine.yaml").write_text(yaml.safe_dump(recipe(dataset)))
    ran = experiment.run(load_recipe("mine.yaml", ["stages.one.epochs=1"])).folder
    if older:
        (ran / "model.json").unlink()
    paths = pictures.by_class(folder / "new")
    opened = experiment.open.open_run(ran)
    expected = looped(opened.network.backbone, opened.view, paths)
    if not older:
        (folder / "images").rename(folder / "gone")  # an encoder needs none of what it learnt from
    assert close(embedded(str(ran), "new").vectors, expected)
    assert close(embedded(ran.name, "new", force=True).vectors, expected)


def test_half_is_the_same_rounded(folder: Path) -> None:
    pictures.by_class(folder / "pics")
    whole = embedded(f"{HERE}.means", "pics", size=16)
    half = embedded(f"{HERE}.means", "pics", size=16, half=True, force=True)
    assert half.vectors.dtype == np.float16
    assert np.array_equal(half.vectors, whole.vectors.astype(np.float16))


def test_views_are_drawn_by_seed_sample_and_view(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics", 2)
    drawn = policy.get("simaugment").make(context(16))
    network = plug_in().eval()

    def expected(seed: int) -> np.ndarray:
        with torch.no_grad():
            rows = [
                [network(drawn(np.array(Image.open(p)), (seed, n, v))[None])[0] for v in range(3)]
                for n, p in enumerate(paths)
            ]
        return torch.stack([torch.stack(row) for row in rows]).numpy()

    settings = {"size": 16, "views": 3, "policy": "simaugment"}
    found = embedded(f"{HERE}.means", "pics", **settings)
    assert found.vectors.shape == (6, 3, slow_encoder.DIM)
    assert close(found.vectors, expected(0))
    assert found.meta["policy"]["kind"] == "simaugment" and found.meta["views"] == 3
    other = embedded(f"{HERE}.means", "pics", **settings, seed=5, force=True)
    assert close(other.vectors, expected(5))


def test_a_folder_of_classes(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    found = embedded(f"{HERE}.means", "pics", size=16)
    assert found.classes == pictures.CLASSES
    assert found.label is not None and found.label.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.split is None
    assert found.columns["path"].tolist() == [str(p.relative_to(folder)) for p in paths]


def test_a_folder_of_splits_and_one_of_them(folder: Path) -> None:
    paths = pictures.split(folder / "pics")
    found = embedded(f"{HERE}.means", "pics", size=16, views=2, policy="weak")
    assert found.split is not None
    assert found.split.tolist() == ["train"] * 9 + ["test"] * 6
    assert found.columns["path"].tolist() == [str(p.relative_to(folder)) for p in paths]
    test = embedded(
        f"{HERE}.means", "pics", size=16, views=2, policy="weak", splits=("test",), force=True
    )
    assert test.split is not None and set(test.split) == {"test"} and len(test) == 6
    assert np.array_equal(test.label, found.label[9:])
    assert close(test.vectors, found.vectors[9:])  # draws do not depend on what else is taken


def test_pictures_without_classes_have_no_labels(folder: Path) -> None:
    paths = pictures.flat(folder / "pics")
    found = embedded(f"{HERE}.means", "pics", size=16)
    assert found.label is None and found.classes == () and found.split is None
    assert close(found.vectors, looped(plug_in(), plain(16), paths))


def test_a_manifest_with_its_columns(folder: Path) -> None:
    paths = pictures.manifest(folder / "there")
    (folder / "out").mkdir()
    embed_pictures(f"{HERE}.means", "there/list.csv", "out/v.npz", size=16, device="cpu")
    found = read_vectors("out/v.npz")
    assert close(found.vectors, looped(plug_in(), plain(16), paths))
    assert found.split.tolist() == ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
    assert [found.classes[i] for i in found.label] == [path.parent.name for path in paths]
    assert found.columns["scanner"].tolist() == [
        f"s{i}" for i in (0, 3, 4, 7, 8, 11, 1, 5, 9, 2, 6, 10)
    ]
    # not below the file's folder, so whole
    assert found.columns["path"].tolist() == [str(path) for path in paths]


def test_a_recipe_before_noise_and_imbalance(folder: Path) -> None:
    pictures.digits_recipe(folder / "digits.yaml", imbalance={"kind": "exponential", "factor": 10})
    found = embedded(f"{HERE}.means", "digits.yaml", size=8)
    assert len(found) == 1797 and set(found.split) == {"train", "test"}
    clean = np.bincount(load_digits().target)
    assert np.array_equal(np.bincount(found.label), clean)
    assert found.vectors.shape == (1797, slow_encoder.DIM)


def test_bad_pictures_are_left_out_if_asked(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    paths[2].write_bytes(b"")
    body = bytearray(paths[5].read_bytes())
    body[len(body) // 2] ^= 0xFF  # header and end are whole: decoding alone shows it
    paths[5].write_bytes(bytes(body))
    found = embedded(f"{HERE}.means", "pics", size=16, skip_bad=True)
    kept = [path for number, path in enumerate(paths) if number not in (2, 5)]
    assert found.columns["path"].tolist() == [str(p.relative_to(folder)) for p in kept]
    assert close(found.vectors, looped(plug_in(), plain(16), kept))


def test_meta_tells_encoders_data_and_arguments_apart(folder: Path) -> None:
    paths = pictures.by_class(folder / "pics")
    first = embedded(f"{HERE}.means", "pics", size=16)
    assert first.meta["encoder"] == f"{HERE}.means" and first.meta["packages"]["torch"]
    other = embedded(f"{HERE}.particular", "pics", size=16, force=True)
    assert other.meta["weights"] != first.meta["weights"]
    pictures.draw(paths[0], 99)
    changed = embedded(f"{HERE}.means", "pics", size=16, force=True)
    assert changed.meta["weights"] == first.meta["weights"]
    assert changed.meta["fingerprint"] != first.meta["fingerprint"]
    (folder / "pics").rename(folder / "elsewhere")
    moved = embedded(f"{HERE}.means", "elsewhere", size=16, force=True)
    assert moved.meta["fingerprint"] == changed.meta["fingerprint"]


def test_a_set_of_any_channels_needs_known_statistics(folder: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 1), dtype=np.uint8)
    np.savez("grey.npz", x_train=x, y_train=np.arange(6) % 2)
    made = recipe({"kind": "arrays", "file": "grey.npz"})
    Path("grey.yaml").write_text(yaml.safe_dump(made))
    found = embedded(f"{HERE}.means", "grey.yaml", size=16)
    mean, std = sum(MEAN) / 3, sum(STD) / 3
    view = policy.get("none").make(ViewContext(16, 1, True, (mean,), (std,)), crop_fraction=1.0)
    images = SampleSet(x, np.arange(6) % 2, ("0", "1"))
    with torch.no_grad():
        expected = [plug_in(channels=1)(view(images[i], ())[None])[0] for i in range(6)]
    assert close(found.vectors, torch.stack(expected).numpy())


@pytest.mark.parametrize(
    ("channels", "dtype", "scale"),
    [(1, "uint8", 255.0), (3, "uint8", 255.0), (2, "float32", 1.0), (5, "uint8", 255.0)],
    ids=["grey", "colour", "two of floats", "five"],
)
def test_a_run_reads_pictures_as_its_training_had_them(
    channels: int, dtype: str, scale: float, folder: Path
) -> None:
    """Of a folder and of a table, with what `predict` sees."""
    toy.finished(folder / "run", toy.context(channels, dtype, scale), classes=pictures.CLASSES)
    if channels in (1, 3):
        paths = pictures.by_class(folder / "pics", 2)
    else:
        paths = [folder / "pics" / name / f"{n}.npy" for name in "abc" for n in range(2)]
        draw = np.random.default_rng(0)
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, (draw.random((20, 18, channels)) * scale).astype(dtype))
    names = [str(path.relative_to(folder)) for path in paths]
    Path("list.csv").write_text("\n".join(["path", *names]) + "\n")
    encoder = supcon_ext.load("run", device="cpu")
    of_folder, of_table = embedded("run", "pics"), embedded("run", "list.csv", force=True)
    assert close(of_folder.vectors, encoder.embed(paths))
    assert close(of_table.vectors, of_folder.vectors)
    assert of_folder.label is not None and of_table.label is None
    with pytest.raises(ValueError, match=f"pictures of {channels} channel"):
        other = "{kind: image_folder, root: pics}" if channels == 1 else "digits"
        embedded("run", other, force=True)
