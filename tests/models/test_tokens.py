"""Backbones that hand out patch tokens: which do, what a hole changes, the head on them, sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from data_tools.registry import family
from supcon_ext.models.base import backbone
from supcon_ext.models.heads.dino import DinoHead
from supcon_ext.models.heads.layer_norm_mlp import LayerNormMLP
from supcon_ext.models.network import Network, build_network
from supcon_ext.models.new_weights import renew
from supcon_ext.models.tokens import TokenBackbone
from supcon_ext.seeding import seeded_weights

SMALL: dict[str, Any] = {"image_size": 16, "dim": 12, "depth": 2, "heads": 2}
WITH_TOKENS = [
    ({"kind": "vit_small_images", **SMALL}, 16, 4),
    ({"kind": "timm", "name": "vit_tiny_patch16_224", "image_size": 32}, 32, 16),
    ({"kind": "timm", "name": "deit_tiny_distilled_patch16_224", "image_size": 32}, 32, 16),
    ({"kind": "timm", "name": "vit_tiny_r_s16_p8_224", "image_size": 64}, 64, 32),
    ({"kind": "timm", "name": "eva02_tiny_patch14_224", "image_size": 28}, 28, 14),
    ({"kind": "timm", "name": "beit_base_patch16_224", "image_size": 32}, 32, 16),
]


def made(given: dict[str, Any], channels: int = 3) -> Any:
    with seeded_weights(0, "backbone"):
        return backbone.spec(given).bind()(channels).eval()


@pytest.mark.parametrize(("given", "side", "patch"), WITH_TOKENS, ids=str)
def test_tokens_of_whole_images_and_of_images_with_holes(
    given: dict[str, Any], side: int, patch: int
) -> None:
    encoder = made(given)
    assert isinstance(encoder, TokenBackbone)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features, tokens = encoder.tokens(images)
        rows, columns = encoder.grid(side, side)
        assert (rows, columns) == (side // patch, side // patch)
        assert tokens.shape == (2, rows * columns, encoder.token_dim)
        torch.testing.assert_close(features, encoder(images))
        hole = torch.zeros(2, rows * columns, dtype=torch.bool)
        none, _ = encoder.tokens(images, hole, torch.ones(encoder.patch_dim))
        torch.testing.assert_close(none, features)
        hole[1, 1] = True
        holed, _ = encoder.tokens(images, hole, torch.ones(encoder.patch_dim))
        torch.testing.assert_close(holed[0], features[0])
        assert not torch.allclose(holed[1], features[1])


@pytest.mark.parametrize("drawn", [0, 1])
def test_nothing_of_a_hidden_patch_is_seen(drawn: int) -> None:
    encoder = made(WITH_TOKENS[0][0])
    generator = torch.Generator().manual_seed(drawn)
    images = torch.randn(1, 3, 16, 16, generator=generator)
    other = images.clone()
    other[..., 4:8, 8:12] += 5.0  # patch 1, 2: number 6
    hole = torch.zeros(1, 16, dtype=torch.bool)
    hole[0, 6] = True
    token = torch.randn(12, generator=generator)
    with torch.no_grad():
        first, second = (encoder.tokens(x, hole, token) for x in (images, other))
        assert not torch.allclose(encoder(images), encoder(other))
    for mine, theirs in zip(first, second, strict=True):
        assert torch.equal(mine, theirs)


def test_a_hole_gives_a_gradient_to_its_token_and_leaves_no_hook() -> None:
    encoder = made(WITH_TOKENS[0][0])
    token = torch.zeros(12, requires_grad=True)
    hole = torch.ones(2, 16, dtype=torch.bool)
    images = torch.randn(2, 3, 16, 16)
    _, tokens = encoder.tokens(images, hole, token)
    tokens.square().sum().backward()
    assert token.grad is not None and bool((token.grad != 0).any())
    assert not encoder.trunk.patch_embed._forward_hooks
    with pytest.raises(ValueError, match="Expected `mask` of shape"):
        encoder.tokens(images, hole[:, :3], token)
    with pytest.raises(ValueError, match="mask_token"):
        encoder.tokens(images, hole)


@pytest.mark.parametrize("side", [8, 12, 14, 16, 20])
def test_a_small_transformer_takes_images_of_any_size(side: int) -> None:
    encoder = made(WITH_TOKENS[0][0])
    images = torch.randn(2, 3, side, side)
    rows, columns = encoder.grid(side, side)
    assert encoder(images).shape == (2, 12)
    assert encoder.tokens(images)[1].shape == (2, rows * columns, 12)


def test_position_embeddings_of_timm_are_resampled_and_drop_path_is_given() -> None:
    given = {"kind": "timm", "name": "vit_tiny_patch16_224", "image_size": 64, "drop_path": 0.4}
    encoder = made(given)
    assert encoder(torch.randn(2, 3, 32, 32)).shape == (2, encoder.dim)
    assert encoder.trunk.blocks[-1].drop_path1.drop_prob == pytest.approx(0.4)
    other = made({"kind": "vit_small_images", **SMALL, "drop_path": 0.3})
    assert other.trunk.blocks[-1].drop_path1.drop_prob == pytest.approx(0.3)
    with pytest.raises(ValueError, match="drop_path"):
        made({"kind": "timm", "name": "vgg11", "drop_path": 0.3})


@pytest.mark.parametrize(
    "given", ["conv4", "resnet18_small", {"kind": "timm", "name": "resnet18"}], ids=str
)
def test_other_backbones_have_no_tokens(given: Any) -> None:
    assert made(given).token_dim is None
    with pytest.raises(ValueError, match="hands out patch tokens beside"):
        network(given)


def network(given: Any = WITH_TOKENS[0][0], **heads: Any) -> Network:
    heads = {"patch_head": "dino", **heads}
    specs = {name: family("head").spec(each).bind() for name, each in heads.items()}
    return build_network(backbone.spec(given).bind(), 3, 5, seed=0, **specs)


def test_scores_of_tokens_come_image_by_image() -> None:
    small = {"kind": "dino", "prototypes": 7, "hidden": 6, "bottleneck": 4}
    made_of = network(patch_head=small, cls_head={**small, "prototypes": 9}).eval()
    images, token = torch.randn(3, 3, 16, 16), torch.randn(12)
    mask = torch.rand(3, 16, generator=torch.Generator().manual_seed(1)) < 0.3
    with torch.no_grad():
        cls, patches = made_of.token_scores(images, mask, token)
        features, tokens = made_of.backbone.tokens(images, mask, token)  # type: ignore[operator]
        assert made_of.patch_head is not None and made_of.cls_head is not None
        torch.testing.assert_close(cls, made_of.cls_head(features))
        expected = torch.cat([made_of.patch_head(tokens[i][mask[i]]) for i in range(3)])
        torch.testing.assert_close(patches, expected)
        whole, _ = made_of.token_scores(images, mask, None)
        torch.testing.assert_close(whole, made_of.cls_head(made_of.backbone(images)))
        shared = network(patch_head=small)
        assert shared.token_scores(images, mask, None)[0].shape == (3, 7)
    with pytest.raises(ValueError, match="got one without"):
        Network(made_of.backbone, made_of.projector, made_of.classifier).token_scores(
            images, mask, None
        )


def test_the_dino_head_is_a_weight_normalised_layer_on_unit_vectors() -> None:
    torch.manual_seed(0)
    head = DinoHead(5, prototypes=6, hidden=8, bottleneck=3).double()
    assert [type(part).__name__ for part in head.layers] == [
        "TruncatedLinear", "GELU", "TruncatedLinear", "GELU", "TruncatedLinear",
    ]  # fmt: skip
    last = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 6, bias=False).double())
    with torch.no_grad():
        head.gain.mul_(torch.linspace(0.5, 2, 6))
        last.parametrizations.weight.original0.copy_(head.gain[:, None])
        last.parametrizations.weight.original1.copy_(3 * head.prototypes)
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(
        head(x), last(torch.nn.functional.normalize(head.layers(x), dim=1)), rtol=1e-9, atol=1e-9
    )
    fresh = DinoHead(5, prototypes=6, hidden=8, bottleneck=3)
    assert bool((fresh(torch.randn(50, 5)).abs() <= 1 + 1e-5).all())


@pytest.mark.parametrize(
    "made_head", [lambda: DinoHead(5, 6, 8, 3), lambda: LayerNormMLP(5, 8, 4)], ids=["dino", "mlp"]
)
def test_new_weights_are_drawn_as_the_first_were(made_head: Any) -> None:
    with seeded_weights(0, "a"):
        head = made_head()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(1.0)
    renew(head, 1, "b")
    for name, value in head.state_dict().items():
        assert value.std(correction=0).item() < 1.0
        assert value.shape == before[name].shape
        if value.ndim == 1:  # biases, scales and gains begin as they always do
            assert torch.equal(value, before[name])


def test_a_predictor_stands_on_the_projector_and_has_its_length() -> None:
    kinds = {"projector": {"kind": "mlp", "dim": 6}, "predictor": {"kind": "mlp", "dim": 6}}
    both = network(**kinds).eval()
    images = torch.randn(3, 3, 16, 16)
    outputs = both(images)
    assert both.predictor is not None
    expected = both.predictor(both.projector(both.backbone(images)))
    expected = torch.nn.functional.normalize(expected, dim=1)
    torch.testing.assert_close(outputs.more["predictor"], expected)
    alone = network(projector=kinds["projector"]).eval()
    torch.testing.assert_close(outputs.z, alone(images).z)  # a further head changes no weights
    assert alone(images).more == {}
    with pytest.raises(ValueError, match=r"model\.predictor\.dim=6"):
        network(projector=kinds["projector"], predictor={"kind": "mlp", "dim": 5})


def test_more_heads_leave_the_first_weights_as_they_are() -> None:
    plain, more = network(), network(predictor={"kind": "mlp"}, cls_head="dino")
    kept = plain.state_dict()
    found = {name: value for name, value in more.state_dict().items() if name in kept}
    assert found.keys() == kept.keys()
    assert all(torch.equal(found[name], value) for name, value in kept.items())
