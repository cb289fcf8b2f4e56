"""Weights of a file in an encoder: prefixes, reports, refusals."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from supcon_ext.models.backbones.resnet import OWN_INPUT
from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.own_input import OwnInput
from supcon_ext.models.weights import file_digest, fit_of, load_weights, read_weights
from supcon_ext.seeding import seeded_weights


def encoder(seed: int = 0, kind: str = "resnet18_small", **params: Any) -> Backbone:
    with seeded_weights(seed, "test"):
        return backbone.get(kind).target(3, **(params or {"width": 2}))


def written(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({k: v.contiguous() for k, v in content.items()}, path)
    else:
        torch.save(content, path)
    return path


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


PREFIXES = ["", "trunk.", "backbone.", "module.", "encoder.", "module.encoder.", "a.b.c.d."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_any_prefix_is_taken_off(tmp_path: Path, prefix: str, suffix: str) -> None:
    source, target = encoder(1), encoder(0)
    state = {f"{prefix}{key}": value for key, value in source.trunk.state_dict().items()}
    path = written(tmp_path / f"weights{suffix}", {**state, "fc.weight": torch.zeros(7, 16)})
    fit = load_weights(target, read_weights(path))
    assert equal(source.state_dict(), target.state_dict())
    assert (fit.count, fit.wanted, fit.others, len(fit.fitting)) == (100, 100, 1, len(state))
    assert str(fit) == (
        "100 of 100 tensors of the encoder fit; 1 of other parts, such as heads, left aside"
    )
    assert read_weights(path).sha256 == file_digest(path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3},
        lambda state: {"model": state, "optimizer": {"state": {0: {"m": torch.zeros(3)}}}},
        lambda state: {
            "network": {f"backbone.trunk.{k}": v for k, v in state.items()},
            "best": state,
        },
    ],
)
def test_checkpoints_of_other_programs_hold_weights_deeper(tmp_path: Path, wrap: Any) -> None:
    source, target = encoder(1), encoder(0)
    load_weights(target, read_weights(written(tmp_path / "w.pt", wrap(source.trunk.state_dict()))))
    assert equal(source.state_dict(), target.state_dict())


def test_half_precision_and_files_without_counters_load(tmp_path: Path) -> None:
    source, target = encoder(1), encoder(0)
    state = {
        key: value.half()
        for key, value in source.trunk.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    load_weights(target, read_weights(written(tmp_path / "w.safetensors", state)))
    assert next(target.parameters()).dtype == torch.float32
    for key, value in state.items():
        assert torch.equal(target.trunk.state_dict()[key], value.float())


OTHERS: dict[str, dict[str, Any]] = {
    "wider": {"width": 4},
    "deeper": {"kind": "resnet34_small", "width": 2},
    "bottlenecks": {"kind": "resnet50_small", "width": 2},
    "another family": {"kind": "timm", "name": "test_vit"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_architecture_are_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "w.pt", encoder(1, **OTHERS[name]).state_dict())
    target = encoder(0)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(ValueError, match=r"weights of this encoder in .*w.pt, but of them \d+ of"):
        load_weights(target, read_weights(path))
    assert equal(before, target.state_dict())
    if name in ("wider", "another family"):
        with pytest.raises(ValueError, match="but of them 0 of 100"):
            load_weights(target, read_weights(path), partial=True)


def test_the_report_names_the_first_three_of_each_kind() -> None:
    source, target = encoder(1), encoder(0)
    state = source.trunk.state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith("1.")}
    kept["0.weight"] = torch.zeros(2, 1, 3, 3)
    kept |= {f"3.9.{number}.weight": torch.zeros(1) for number in range(5)}
    fit = fit_of(target, kept)
    text = str(fit)
    assert "95 of 100 tensors of the encoder fit" in text
    assert "4 missing in the file (1.weight, 1.bias, 1.running_mean, ...)" in text
    assert "5 unknown to the encoder (3.9.0.weight, 3.9.1.weight, 3.9.2.weight, ...)" in text
    assert "1 of another shape (0.weight (2, 3, 3, 3) not (2, 1, 3, 3))" in text
    assert not fit.whole


def test_partial_weights_keep_first_weights_for_the_rest(tmp_path: Path) -> None:
    source, target = encoder(1), encoder(0)
    state = {k: v for k, v in source.trunk.state_dict().items() if k.startswith("3.0.")}
    path = written(tmp_path / "w.pt", state)
    with pytest.raises(ValueError, match=r"or say so, which keeps first weights for the rest"):
        load_weights(target, read_weights(path), choice="say so")
    first = encoder(0).trunk.state_dict()
    load_weights(target, read_weights(path), partial=True)
    for key, value in target.trunk.state_dict().items():
        assert torch.equal(value, state.get(key, first[key]))


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize(
    "content",
    [
        {"fc.weight": torch.zeros(10, 16), "fc.bias": torch.zeros(10)},
        {"projector.layers.0.weight": torch.zeros(8, 16)},
        {"x": torch.zeros(2)},
    ],
)
def test_heads_alone_are_no_weights_of_an_encoder(
    tmp_path: Path, content: Any, partial: bool
) -> None:
    file = read_weights(written(tmp_path / "w.safetensors", content))
    with pytest.raises(ValueError, match=r"but of them 0 of 100 tensors of the encoder fit"):
        load_weights(encoder(), file, partial=partial)


class Anything:
    """Not data."""


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken", b"\x80\x04N."])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Expected a file of weights, safetensors or of torch"):
        read_weights(path)


def test_what_else_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is none"):
        read_weights(tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="got a folder"):
        read_weights(tmp_path)
    for content in (Anything(), nn.Linear(2, 2)):
        with pytest.raises(ValueError, match=r"only tensors, arrays and plain values"):
            read_weights(written(tmp_path / "code.pt", content))
    for content in ({"epoch": 3}, [torch.zeros(2)], torch.zeros(3)):
        with pytest.raises(ValueError, match="without a tensor that has a name"):
            read_weights(written(tmp_path / "empty.pt", content))
    cut = written(tmp_path / "cut.safetensors", encoder().trunk.state_dict())
    cut.write_bytes(cut.read_bytes()[:-10])
    with pytest.raises(ValueError, match="cannot be read"):
        read_weights(cut)


def test_weights_that_cannot_be_fetched_are_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*args: Any, **kwargs: Any) -> Any:
        raise OSError("Name or service not known\nmore")

    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", no_network)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", no_network)
    for kind, params, what in (
        ("resnet18", {}, "torchvision's weights of resnet18"),
        ("timm", {"name": "test_resnet"}, "timm's weights of test_resnet"),
    ):
        with pytest.raises(ValueError, match=f"Expected {what}, but they cannot be fetched: OSE"):
            backbone.get(kind).target(3, pretrained=True, **params)


def test_own_input_of_grey_images_is_the_average() -> None:
    assert OWN_INPUT.statistics(3) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    grey = OwnInput((0.3, 0.5, 0.7), (0.2, 0.2, 0.5), 32).statistics(1)
    assert grey is not None and [v[0] for v in grey] == pytest.approx([0.5, 0.3])
    assert OWN_INPUT.statistics(4) is None


def test_timms_own_input_is_timms_data_config() -> None:
    from timm.data import resolve_model_data_config

    made = encoder(0, "timm", name="test_vit")
    told = resolve_model_data_config(made.trunk)
    assert made.own_input == OwnInput(told["mean"], told["std"], told["input_size"][-1])
    assert not made.pretrained
