"""The loss against exact numbers, the plain formula, and its own symmetries."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, SupConLoss, WeightPlan
from supcon_ext.losses.batch import rows_of
from supcon_ext.losses.reference import reference_anchor_losses, reference_loss
from supcon_ext.losses.rows import Source
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import tiled_anchor_losses

E1, E2 = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
GOLDEN = torch.tensor(
    [
        [[0.01, 0.02, 0.14], [0.38, 0.61, 0.50]],
        [[0.86, 0.97, 0.33], [0.26, 0.68, 0.45]],
        [[0.32, 0.64, 0.28], [0.45, 0.74, 0.73]],
    ]
)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(z, dim=-1)


@pytest.mark.parametrize(
    ("temperature", "value"),
    [(1.0, 0.5514447139), (0.5, 0.2395447662), (0.1, 9.0795737e-5), (0.07, 1.2497491e-6)],
)
@pytest.mark.parametrize("form", ["out", "in"])
def test_two_pairs(temperature: float, value: float, form: str) -> None:
    z = torch.stack([E1, E1, E2, E2]).double()
    loss = SupConLoss(temperature, form)(z, torch.tensor([0, 0, 1, 1]))
    assert loss.item() == pytest.approx(value, rel=1e-7)
    assert loss.item() == pytest.approx(math.log1p(2 * math.exp(-1 / temperature)), rel=1e-9)


@pytest.mark.parametrize(
    ("form", "values"),
    [("out", [1.675585, 1.797377, 1.584710]), ("in", [1.635668, 1.713587, 1.584710])],
)
def test_published_golden_numbers(form: str, values: list[float]) -> None:
    details = SupConLoss(1.0, form, normalize=False).details(GOLDEN, torch.tensor([0, 0, 1]))
    per_sample = details.anchor_losses.view(2, 3).mean(0)
    torch.testing.assert_close(per_sample, torch.tensor(values), atol=1e-6, rtol=0)


def test_three_pairs() -> None:
    e = torch.eye(3)
    features = torch.stack([e[2], e[1], e[0]])[:, None].expand(3, 2, 3)
    details = SupConLoss(1.0).details(features, torch.tensor([0, 0, 1]))
    e1 = math.e
    expected = [(3 * math.log(e1 + 4) - 1) / 3] * 2 + [math.log(e1 + 4) - 1]
    torch.testing.assert_close(details.anchor_losses.view(2, 3)[0], torch.tensor(expected))


@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.05])
def test_tetrahedron(temperature: float) -> None:
    z = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    loss = SupConLoss(temperature)(z.view(2, 2, 3), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(math.log(3), rel=1e-5)


@pytest.mark.parametrize("form", ["out", "in"])
def test_collapse_gives_log_of_the_contrasts_and_no_gradient(form: str) -> None:
    w = torch.ones(16, 2, 8, dtype=torch.float64, requires_grad=True)
    loss = SupConLoss(0.1, form)(w, torch.arange(16) % 4)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(31), rel=1e-9)
    assert w.grad is not None and w.grad.abs().max() < 1e-12


def test_several_positives_by_hand() -> None:
    z = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    views = Rows.of(z, torch.tensor([0, 0, 0, 1]))
    out = SupConLoss(1.0, "out").details(views).anchor_losses[0]
    inside = SupConLoss(1.0, "in").details(views).anchor_losses[0]
    assert out.item() == pytest.approx(1.0514447, abs=1e-6)
    assert inside.item() == pytest.approx(0.9313302, abs=1e-6)


class Soft:
    """Fixed targets by row ids."""

    def __init__(self, table: torch.Tensor) -> None:
        self.table = table

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return self.table[pairs.anchors.index][:, pairs.contrasts.index]


def test_soft_targets_by_hand() -> None:
    z = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    table = torch.zeros(4, 4)
    table[0, 1], table[0, 2] = 1.0, 0.5
    for factor in (1.0, 7.0):
        loss = SupConLoss(1.0, selector=Soft(factor * table)).details(z).anchor_losses[0]
        assert loss.item() == pytest.approx(0.8847780, abs=1e-6)
    stacked = torch.stack([E1, E1, E2, E2])
    table = torch.zeros(4, 4)
    table[0, 1], table[0, 2] = 1.0, 0.5
    loss = SupConLoss(0.5, selector=Soft(table)).details(stacked).anchor_losses[0]
    assert loss.item() == pytest.approx(0.906211, abs=1e-6)


def test_a_target_of_zero_is_no_positive() -> None:
    z = unit(6, 4)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    table = (labels[:, None] == labels).double().fill_diagonal_(0)
    fewer = table.clone()
    fewer[0, 1] = 0
    losses, _ = tiled_anchor_losses(Rows.of(z), Rows.of(z), Soft(fewer))
    logits = z @ z.T / 0.1
    denominator = logits.masked_fill(torch.eye(6, dtype=torch.bool), -torch.inf).logsumexp(1)
    assert losses[0].item() == pytest.approx((denominator[0] - logits[0, 2]).item(), rel=1e-9)


def test_simclr_equals_cross_entropy() -> None:
    z = unit(8, 2, 16)
    rows = z.transpose(0, 1).reshape(16, 16)
    logits = (rows @ rows.T / 0.5).fill_diagonal_(-torch.inf)
    partner = torch.arange(16).roll(8)
    expected = functional.cross_entropy(logits, partner).item()
    assert SupConLoss(0.5)(z).item() == pytest.approx(expected, rel=1e-12)
    assert SupConLoss(0.5)(z, torch.arange(8)).item() == pytest.approx(expected, rel=1e-12)
    assert SupConLoss(0.5)(z, torch.full((8,), -1)).item() == pytest.approx(expected, rel=1e-12)


def test_anchors_without_positives_are_skipped_and_counted() -> None:
    z = unit(6, 8, seed=3)
    labels = torch.tensor([0, 0, 1, 2, 3, 4])
    details = SupConLoss(0.1).details(z, labels)
    assert details.lonely.item() == pytest.approx(4 / 6)
    assert details.loss.item() == pytest.approx(details.anchor_losses[:2].mean().item(), rel=1e-12)
    assert details.positives.tolist() == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("shape", [(5, 4), (1, 4), (1, 1, 4)])
def test_no_positive_at_all_is_zero_with_zero_gradient(shape: tuple[int, ...]) -> None:
    w = torch.randn(shape, requires_grad=True)
    details = SupConLoss(0.1).details(w, torch.arange(shape[0]))
    details.loss.backward()
    assert details.loss.item() == 0
    assert details.lonely.item() == 1
    assert w.grad is not None and w.grad.abs().max() == 0


def test_lonely_anchors_teach_as_contrasts_only() -> None:
    z = unit(4, 3, seed=5).requires_grad_()
    losses, _ = tiled_anchor_losses(Rows.of(z.detach()), Rows.of(z), SameLabel(), temperature=0.5)
    assert losses.abs().max() == 0


def test_jensen_and_lower_bound() -> None:
    z, labels = unit(12, 2, 6), torch.arange(12) % 3
    out = SupConLoss(0.2, "out").details(z, labels)
    inside = SupConLoss(0.2, "in").details(z, labels)
    assert (inside.anchor_losses <= out.anchor_losses + 1e-12).all()
    assert (inside.anchor_losses >= out.positives.log() - 1e-12).all()


@pytest.mark.parametrize(
    ("classes", "members", "temperature", "value"), [(4, 2, 1.0, 0.9484027), (4, 3, 0.5, 0.9652146)]
)
def test_simplex(classes: int, members: int, temperature: float, value: float) -> None:
    corners = functional.normalize(torch.eye(classes) - 1 / classes, dim=1).double()
    z = corners.repeat(members, 1)
    loss = SupConLoss(temperature)(z, torch.arange(classes).repeat(members))
    assert loss.item() == pytest.approx(value, abs=1e-6)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, object]:
    anchors = draw(st.integers(1, 9))
    extra = draw(st.integers(0, 6))
    return {
        "anchors": anchors,
        "extra": extra,
        "classes": draw(st.integers(1, 4)),
        "tile": draw(st.sampled_from([1, 2, 3, 5, 64])),
        "form": draw(st.sampled_from(["out", "in"])),
        "temperature": draw(st.sampled_from([1.0, 0.1, 0.02])),
        "weights": draw(st.booleans()),
        "seed": draw(st.integers(0, 999)),
    }


@settings(max_examples=80, deadline=None)
@given(problems())
def test_tiles_equal_the_plain_formula(case: dict[str, object]) -> None:
    generator = torch.Generator().manual_seed(int(case["seed"]))  # type: ignore[call-overload]
    a, k = int(case["anchors"]), int(case["anchors"]) + int(case["extra"])  # type: ignore[call-overload]
    labels = torch.randint(-1, int(case["classes"]), (k,), generator=generator)  # type: ignore[call-overload]
    z = functional.normalize(torch.randn(k, 5, generator=generator, dtype=torch.float64), dim=1)
    plan = WeightPlan()
    if case["weights"]:
        log_column = torch.randn(k, generator=generator, dtype=torch.float64)
        log_column[torch.rand(k, generator=generator) < 0.2] = -torch.inf
        plan = WeightPlan(
            anchor=torch.rand(a, generator=generator, dtype=torch.float64),
            log_column=log_column,
            log_same=torch.randn(a, generator=generator, dtype=torch.float64),
            temperature=0.1 + torch.rand(a, generator=generator, dtype=torch.float64),
        )
    answers = []
    for compute in (
        lambda anchors, contrasts: tiled_anchor_losses(
            anchors, contrasts, SameLabel(), plan, case["temperature"], case["form"], case["tile"]
        ),
        lambda anchors, contrasts: reference_anchor_losses(
            anchors, contrasts, SameLabel(), plan, case["temperature"], case["form"]
        ),
    ):
        rows = z.clone().requires_grad_()
        contrasts = Rows.of(rows, labels, index=torch.arange(k) // 2)
        losses, positives = compute(contrasts.rows(slice(0, a)), contrasts)
        weight = torch.linspace(0.5, 1.5, a, dtype=torch.float64)
        (losses * weight).sum().backward()
        answers.append((losses.detach(), positives, rows.grad))
    for ours, plain in zip(*answers, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("form", ["out", "in"])
def test_gradcheck(form: str) -> None:
    w = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    loss = SupConLoss(0.3, form, tile=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor([0, 1, 0, 2])), w)


def test_gradient_is_tangent_and_shrinks_with_the_norm() -> None:
    w = torch.randn(6, 2, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.arange(6) % 2
    SupConLoss(0.1)(w, labels).backward()
    assert w.grad is not None
    assert (w.detach() * w.grad).sum(-1).abs().max() < 1e-12
    longer = (3 * w.detach()).requires_grad_()
    SupConLoss(0.1)(longer, labels).backward()
    torch.testing.assert_close(longer.grad, w.grad / 3)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(7)), st.integers(0, 99))
def test_order_of_samples_and_names_of_classes_do_not_matter(order: list[int], seed: int) -> None:
    z, labels = unit(7, 2, 4, seed=seed), torch.arange(7) % 3
    plain = SupConLoss(0.1)(z, labels)
    torch.testing.assert_close(SupConLoss(0.1)(z[order], labels[order]), plain)
    torch.testing.assert_close(SupConLoss(0.1)(z, 10 - labels), plain)
    torch.testing.assert_close(SupConLoss(0.1)(z.flip(1), labels), plain)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("temperature", [0.1, 0.07, 0.01])
def test_half_precision_input_with_opposite_vectors(dtype: torch.dtype, temperature: float) -> None:
    z = torch.stack([E1, E1, -E1, -E1]).to(dtype).requires_grad_()
    loss = SupConLoss(temperature)(z, torch.tensor([0, 1, 0, 1]))
    loss.backward()
    expected = SupConLoss(temperature)(z.detach().double(), torch.tensor([0, 1, 0, 1]))
    assert abs(loss.item() - expected.item()) < 1e-3 * max(1.0, expected.item())
    assert z.grad is not None and z.grad.isfinite().all()


def test_autocast_does_not_reach_into_the_loss() -> None:
    z, labels = torch.randn(16, 2, 32), torch.arange(16) % 4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = SupConLoss(0.07)(z, labels)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, SupConLoss(0.07)(z, labels), atol=0, rtol=0)


def test_without_normalisation_large_features_stay_finite() -> None:
    z = 10 * torch.randn(8, 2, 128)
    z.requires_grad_()
    loss = SupConLoss(0.07, normalize=False)(z, torch.arange(8) % 2)
    loss.backward()
    assert loss.isfinite() and z.grad is not None and z.grad.isfinite().all()


def test_new_labels_of_the_same_size_are_used() -> None:
    z, loss = unit(4, 2, 3), SupConLoss(0.1)
    first = loss(z, torch.tensor([0, 0, 1, 1]))
    assert loss(z, torch.tensor([0, 1, 0, 1])).item() != first.item()
    assert loss(z, torch.tensor([0, 0, 1, 1])).item() == first.item()


def test_extra_contrasts_equal_moco() -> None:
    q, k = unit(5, 8, seed=1), unit(7, 8, seed=2)
    queue = Rows.of(
        k,
        torch.full((7,), 9),
        index=torch.arange(100, 107),
        uid=-1 - torch.arange(7),
        source=Source.QUEUE,
    )
    loss = SupConLoss(0.2)(torch.stack([q, q], 1), torch.arange(5), extra=queue)
    rows = torch.cat([q, q])
    logits = torch.cat([rows @ rows.T, rows @ k.T], 1) / 0.2
    logits[torch.arange(10), torch.arange(10)] = -torch.inf
    partner = torch.arange(10).roll(5)
    assert loss.item() == pytest.approx(functional.cross_entropy(logits, partner).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (torch.randn(4), None, "shape"),
        (torch.randn(0, 4), None, "non-empty"),
        (torch.ones(4, 2, dtype=torch.int64), None, "float"),
        (torch.randn(4, 2), torch.arange(3), r"\(4,\)"),
        (torch.randn(4, 2), torch.arange(4).float(), "integer"),
        (torch.tensor([[1.0, 0], [torch.nan, 1]]), None, "1 of 2 rows"),
        (torch.tensor([[1.0, 0], [torch.inf, 1]]), None, "1 of 2 rows"),
        (torch.tensor([[1.0, 0], [0, 0]]), None, "zero vectors"),
        (torch.randn(4, 2), torch.arange(4, device="meta"), "device cpu"),
    ],
)
def test_bad_input_is_named(
    features: torch.Tensor, labels: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SupConLoss()(features, labels)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="temperature"):
        SupConLoss(0.0)
    with pytest.raises(ValueError, match="form"):
        SupConLoss(form="sum")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="labels"):
        SupConLoss()(Rows.of(torch.randn(2, 2)), torch.arange(2))

    class Wrong:
        def targets(self, pairs: PairTile) -> torch.Tensor:
            return torch.ones(3)

    with pytest.raises(ValueError, match="targets of shape"):
        SupConLoss(selector=Wrong())(torch.randn(4, 2))


def test_reference_batch_loss_uses_anchor_weights() -> None:
    views = rows_of(unit(4, 2, 3), torch.tensor([0, 0, 1, 1]), SameLabel())
    weight = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0], dtype=torch.float64)
    plan = WeightPlan(anchor=weight)
    losses, _ = reference_anchor_losses(views, views, SameLabel())
    assert reference_loss(views, views, SameLabel(), plan).item() == pytest.approx(losses[0].item())
