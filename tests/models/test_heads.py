from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from supcon_ext.models.heads.cosine import CosineClassifier
from supcon_ext.models.heads.linear import LinearClassifier
from supcon_ext.models.heads.mlp import MLP
from supcon_ext.models.unit_rows import unit_rows


def test_unit_rows_exact() -> None:
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0], [-2.0, 0.0]])
    assert torch.equal(unit_rows(rows), torch.tensor([[0.6, 0.8], [0.0, 0.0], [-1.0, 0.0]]))


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.lists(st.floats(0.1, 100), min_size=3, max_size=3), min_size=1, max_size=4),
    scale=st.floats(0.01, 100),
)
def test_unit_rows_forget_the_length(rows: list[list[float]], scale: float) -> None:
    given_rows = torch.tensor(rows, dtype=torch.float64)
    out = unit_rows(given_rows)
    assert out.dtype == torch.float64
    torch.testing.assert_close(out.norm(dim=1), torch.ones(len(rows), dtype=torch.float64))
    torch.testing.assert_close(unit_rows(scale * given_rows), out)


def test_one_layer_is_linear() -> None:
    projector = MLP(6, dim=4, layers=1)
    weight, bias = projector.parameters()
    features = torch.randn(5, 6)
    product = features @ weight.T + bias
    torch.testing.assert_close(projector(features), product)


def test_two_layers_by_hand() -> None:
    projector = MLP(6, hidden=5, dim=4, batch_norm=True).double()
    features = torch.randn(7, 6, dtype=torch.float64)
    first, scale, shift, second, bias = projector.parameters()
    hidden = features @ first.T
    hidden = (hidden - hidden.mean(0)) / (hidden.var(0, unbiased=False) + 1e-5).sqrt()
    out = (hidden * scale + shift).relu() @ second.T + bias
    torch.testing.assert_close(projector(features), out)


def test_hidden_layers_have_a_bias_only_without_batch_norm() -> None:
    def count(module: nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(MLP(6, 5, 4, batch_norm=True)) == 6 * 5 + 2 * 5 + 5 * 4 + 4
    assert count(MLP(6, 5, 4, batch_norm=False)) == 6 * 5 + 5 + 5 * 4 + 4
    assert count(MLP(6, 5, 4, layers=3, batch_norm=False)) == 35 + 30 + 24
    assert MLP(6, 5, 4).dim == 4


def test_cosine_logits_exact() -> None:
    classifier = CosineClassifier(2, 3, scale=30)
    with torch.no_grad():
        classifier.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 5.0], [-3.0, -4.0]]))
    features = torch.tensor([[3.0, 4.0]])
    expected = torch.tensor([[18.0, 24.0, -30.0]])
    torch.testing.assert_close(classifier(features), expected)
    with torch.autocast("cpu", torch.bfloat16):
        logits = classifier(features.bfloat16())
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected)


def test_linear_logits_by_hand() -> None:
    classifier = LinearClassifier(4, 3)
    features = torch.randn(5, 4)
    expected = features @ classifier.weight_CF.T + classifier.linear.bias
    torch.testing.assert_close(classifier(features), expected)


@pytest.mark.parametrize("kind", [LinearClassifier, CosineClassifier])
def test_class_vectors_are_rows_and_train(
    kind: type[LinearClassifier] | type[CosineClassifier],
) -> None:
    classifier = kind(4, 3)
    assert classifier.weight_CF.shape == (3, 4)
    classifier(torch.randn(5, 4))[:, 0].sum().backward()
    assert classifier.weight_CF.grad is not None
    assert classifier.weight_CF.grad[0].abs().sum() > 0
    assert classifier.weight_CF.grad[1].abs().sum() == 0


def test_cosine_class_vectors_start_with_norm_one() -> None:
    torch.testing.assert_close(CosineClassifier(16, 10).weight_CF.norm(dim=1), torch.ones(10))


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: MLP(0), "in_dim"),
        (lambda: MLP(4, hidden=0), "hidden"),
        (lambda: MLP(4, dim=-1), "dim"),
        (lambda: MLP(4, layers=0), "layers"),
        (lambda: LinearClassifier(4, 0), "classes"),
        (lambda: CosineClassifier(0, 3), "in_dim"),
        (lambda: CosineClassifier(4, 3, scale=0), "scale"),
        (lambda: CosineClassifier(4, 3, scale=float("nan")), "scale"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], nn.Module], argument: str) -> None:
    with pytest.raises(ValueError, match=f"Expected a positive .* of argument `{argument}`"):
        make()
