"""What is wrong is told before anything is embedded, in a line, with exit status 2."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import yaml
from click.testing import CliRunner, Result

from supcon_ext.cli import main
from tests.audit.coloured import recipe
from tests.embed import pictures

HERE = "tests.embed.slow_encoder"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # a quick "no"
    pictures.by_class(tmp_path / "pics", 2)
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "meta.csv").write_text("path,label,meta\npics/a/0.png,a,x\npics/b/0.png,b,y\n")
    x = np.zeros((4, 8, 8, 5), dtype=np.uint8)
    np.savez("five.npz", x_train=x, y_train=np.arange(4) % 2)
    made = recipe({"kind": "arrays", "file": "five.npz"})
    Path("five.yaml").write_text(yaml.safe_dump(made))
    other = timm.create_model("test_vit", pretrained=False).state_dict()
    safetensors.torch.save_file(other, "other.safetensors")
    torch.save({"a": object()}, "code.pt")
    Path("broken.safetensors").write_bytes(b"no weights")
    return tmp_path


def embed(*arguments: str) -> Result:
    made = ("-o", "out.npz") if "-o" not in arguments else ()
    return CliRunner().invoke(main, ["embed", *arguments, *made, "--device", "cpu"])


MEANS = f"{HERE}.means"
TIMM = "timm:test_resnet"
CASES = {
    "no such network": (("timm:test_resne", "pics"), "Try: test_resnet"),
    "no such encoder": (("nothing_like_it", "pics"), "Expected timm:NAME, a finished run or a"),
    "no such module": (("nowhere.means", "pics"), "cannot import backbone `nowhere.means`"),
    "no encoder": ((f"{HERE}.no_encoder", "pics"), "is no backbone"),
    "pictures for vectors": (
        (TIMM, "five.npz"),
        "Try: {kind: arrays, file: five.npz}, for pictures",
    ),
    "weights that the hub has": (("timm:resnet10t", "pics"), "--weights FILE"),
    "weights that nobody has": ((TIMM + ".nope", "pics"), "--weights FILE"),
    "no file of weights": ((TIMM, "pics", "--weights", "no.pt"), "no.pt does not exist"),
    "weights of another network": (
        (TIMM, "pics", "--weights", "other.safetensors"),
        "missing in the file (conv1.0.weight",
    ),
    "a file that runs code": ((TIMM, "pics", "--weights", "code.pt"), "only tensors"),
    "a broken file": ((TIMM, "pics", "--weights", "broken.safetensors"), "broken.safetensors"),
    "no such data": ((MEANS, "nowhere"), "nowhere"),
    "another kind of file": ((MEANS, "notes.txt"), "notes.txt is a file of another kind"),
    "an empty folder": ((MEANS, "empty"), "Expected pictures in empty, but found none"),
    "no such split": ((MEANS, "pics", "--split", "test"), "Expected a split among train"),
    "no such policy": ((MEANS, "pics", "--policy", "blurry"), "no policy is called `blurry`"),
    "a policy's wrong parameter": (
        (MEANS, "pics", "--policy", "{kind: weak, speed: 1}"),
        "speed",
    ),
    "views that are all one": ((MEANS, "pics", "--views", "2"), "Try: --policy simaugment"),
    "another ending": ((MEANS, "pics", "-o", "out.npy"), "ends in .npz"),
    "no such folder": ((MEANS, "pics", "-o", "gone/out.npz"), "folder that exists"),
    "a name that the file needs": ((MEANS, "meta.csv"), "no column called meta"),
    "channels without statistics": ((MEANS, "five.yaml"), "pictures of 3 channels or grey"),
    "no such plug-in": ((MEANS, "pics", "--plugin", "nowhere"), "a module that can be imported"),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_told(case: str, folder: Path) -> None:
    arguments, expected = CASES[case]
    before = sorted(folder.rglob("*"))
    result = embed(*arguments)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr, result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(folder.rglob("*")) == before


def test_a_bad_picture_names_the_option(folder: Path) -> None:
    (folder / "pics" / "a" / "0.png").write_bytes(b"no picture")
    result = embed(MEANS, "pics")
    assert result.exit_code == 2
    assert "pics/a/0.png" in result.stderr and "or `--skip-bad` to leave them out" in result.stderr
    assert embed(MEANS, "pics", "--skip-bad", "--size", "16").exit_code == 0


def test_weights_beside_a_run(folder: Path) -> None:
    (folder / "runs" / "one").mkdir(parents=True)
    (folder / "runs" / "one" / "recipe.yaml").write_text(yaml.safe_dump(recipe({"kind": "digits"})))
    result = embed("one", "pics")
    assert result.exit_code == 2 and "finished run" in result.stderr
    result = embed("one", "pics", "--weights", "other.safetensors")
    assert result.exit_code == 2 and "no file of weights beside the run" in result.stderr


@pytest.mark.parametrize("broken", ["large", "nothing", "not_a_number"])
def test_vectors_of_no_use_end_it_at_once(broken: str, folder: Path) -> None:
    result = embed(f"{HERE}.{broken}", "pics", "--size", "16", "--half")
    assert result.exit_code == 1
    assert "Expected finite features that are not all zero, in float16" in result.stderr
    assert "pics/a/0.png" in result.stderr and "Try: without --half" in result.stderr
    assert not (folder / "out.npz").exists()
    if broken == "large":
        assert embed(f"{HERE}.large", "pics", "--size", "16").exit_code == 0
