from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from supcon_ext.models.base import backbone
from supcon_ext.models.heads.base import Head, head
from supcon_ext.models.heads.cosine import CosineClassifier
from supcon_ext.models.heads.linear import LinearClassifier
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.network import Network, Outputs, build_network
from supcon_ext.models.unit_rows import unit_rows
from supcon_ext.seeding import seeded_weights

SMALL: dict[str, Any] = {"kind": "mlp", "hidden": 16, "dim": 8}


def build(seed: int = 0, **heads: Any) -> Network:
    make = backbone.spec({"kind": "conv4", "width": 4}).bind()
    made = {name: head.spec(given).bind() for name, given in {"projector": SMALL, **heads}.items()}
    return build_network(make, 1, 3, **made, seed=seed)


def parts(outputs: Outputs) -> tuple[Tensor, Tensor, Tensor]:
    return outputs.features, outputs.z, outputs.logits


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_outputs_are_those_of_the_parts() -> None:
    network = build().eval()
    images = torch.rand(5, 1, 16, 16)
    features, z, logits = parts(network(images))
    assert (features.shape, z.shape, logits.shape) == ((5, 16), (5, 8), (5, 3))
    assert torch.equal(features, network.backbone(images))
    assert torch.equal(z, unit_rows(network.projector(features)))
    assert torch.equal(logits, network.classifier(features))


def test_bf16_autocast_leaves_z_in_float32_with_norm_one() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        features, z, _ = parts(build()(torch.rand(5, 1, 16, 16)))
    assert features.dtype == torch.bfloat16
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.norm(dim=1), torch.ones(5), rtol=0, atol=1e-6)


def test_weights_follow_from_the_seed_whatever_ran_before() -> None:
    torch.manual_seed(1)
    first = build(seed=7).state_dict()
    torch.manual_seed(2)
    torch.rand(100)
    before = torch.get_rng_state()
    second = build(seed=7).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert equal(first, second)


def test_another_seed_draws_every_random_weight_anew() -> None:
    first, second = build(seed=0).state_dict(), build(seed=1).state_dict()
    drawn = [
        key for key, tensor in first.items() if tensor.is_floating_point() and tensor.std() > 0
    ]
    assert len(drawn) >= 4 + 3 + 2
    assert not any(torch.equal(first[key], second[key]) for key in drawn)


def test_other_heads_leave_the_encoder_as_it_is() -> None:
    small = build()
    large = build(projector={"kind": "mlp", "hidden": 32, "layers": 3}, classifier="cosine")
    assert equal(small.backbone.state_dict(), large.backbone.state_dict())
    other_projector = build(projector={"kind": "mlp", "layers": 1})
    assert equal(small.classifier.state_dict(), other_projector.classifier.state_dict())


def test_default_device_does_not_change_the_weights() -> None:
    with torch.device("meta"):
        network = build()
    assert equal(network.state_dict(), build().state_dict())


def test_seeds_of_64_bits_and_parts_have_streams_of_their_own() -> None:
    draws = set()
    for seed in (0, 1, 2**64 - 1):
        for part in ("backbone", "projector"):
            with seeded_weights(seed, part):
                draws.add(torch.rand(1).item())
    assert len(draws) == 6
    with pytest.raises(ValueError, match="`seed`, but got -1"), seeded_weights(-1, "backbone"):
        pass


def test_classifiers_by_kind() -> None:
    assert isinstance(build().classifier, LinearClassifier)
    cosine = build(classifier={"kind": "cosine", "scale": 16.0}).classifier
    assert isinstance(cosine, CosineClassifier)
    assert cosine.scale == 16
    with pytest.raises(ValueError, match="there are: cosine, dino, layer_norm_mlp, linear, mlp"):
        build(classifier="cosin")
    deep = build(classifier={"kind": "mlp", "dim": None, "hidden": 5}).eval()
    assert deep(torch.rand(5, 1, 16, 16)).logits.shape == (5, 3)
    assert deep.classifier.weight_CF is None
    with pytest.raises(ValueError, match=r"a class \(3\) .* but got 128. Try: `dim: null`"):
        build(classifier="mlp")


def test_any_head_is_a_projector_whose_rows_have_norm_one() -> None:
    for name in head.names():
        z = build(projector=name).eval()(torch.rand(5, 1, 16, 16)).z
        torch.testing.assert_close(z.norm(dim=1), torch.ones(5))


def test_a_head_of_another_size_than_it_tells_is_refused() -> None:
    class Wrong(Head):
        def forward(self, features: Tensor) -> Tensor:
            return features

    make = backbone.spec({"kind": "conv4", "width": 4}).bind()
    network = build_network(make, 1, 3, projector=lambda in_dim, classes: Wrong(7), seed=0)
    with pytest.raises(ValueError, match=r"shape \(5, 7\) from the projector, but got \(5, 16\)"):
        network(torch.rand(5, 1, 16, 16))


def test_further_heads_go_through_every_change_of_the_outputs() -> None:
    one = Outputs(torch.ones(2, 4), torch.ones(2, 3), torch.ones(2, 5), {"p": torch.ones(2, 6)})
    both = Outputs.cat([one, one.map(lambda rows: 2 * rows)])
    for rows, width in zip((*parts(both), both.more["p"]), (4, 3, 5, 6), strict=True):
        assert torch.equal(rows, torch.tensor([1.0, 1, 2, 2])[:, None].expand(4, width))


def test_names_of_weights_are_those_of_earlier_files() -> None:
    names = set(build().state_dict())
    assert {"projector.layers.0.weight", "projector.layers.3.bias"} <= names
    assert {"classifier.linear.weight", "classifier.linear.bias"} <= names
    assert "classifier.weight" in build(classifier="cosine").state_dict()
    assert isinstance(build().projector, MLP)


def test_state_round_trip() -> None:
    source, target = build(seed=0), build(seed=1)
    source(torch.rand(5, 1, 16, 16))
    target.load_state_dict(source.state_dict())
    images = torch.rand(5, 1, 16, 16)
    for one, other in zip(parts(source.eval()(images)), parts(target.eval()(images)), strict=True):
        assert torch.equal(one, other)


def test_outputs_pass_through_distributed_data_parallel(tmp_path: Path) -> None:
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        network = build()
        outputs = DistributedDataParallel(network)(torch.rand(5, 1, 16, 16))
        assert isinstance(outputs, Outputs)
        (outputs.z[:, 0].sum() + outputs.logits[:, 0].sum()).backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
    finally:
        distributed.destroy_process_group()
