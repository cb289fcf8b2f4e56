"""Every member of the family, in every way of computing it, against the plain formula."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, SupConLoss, WeightPlan
from supcon_ext.losses.cap import Cap
from supcon_ext.losses.engine import anchor_losses
from supcon_ext.losses.factors import Factors, targets_of
from supcon_ext.losses.mask import MaskRule
from supcon_ext.losses.mixup import MixupRule, mixed_rows
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.rows import Source
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.symmetric import fits
from supcon_ext.losses.tiled import tiled_anchor_losses
from supcon_ext.selectors.multilabel import Jaccard, Overlap
from tests.losses.balanced import Balanced
from tests.losses.test_supcon import GOLDEN, unit


class Plain:
    """A rule without factors: the loss must ask it tile by tile."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return SameLabel().targets(pairs)


class Soft:
    """Targets that depend on the similarity and on the direction of a pair."""

    def targets(self, pairs: PairTile) -> torch.Tensor:
        same = pairs.same("label") * (0.5 + 0.5 * pairs.anchors.trust[:, None])
        return same + (pairs.similarity_AK > 0.6) * pairs.contrasts.trust[None, :]


class Trusting:
    """Every vector that factors know."""

    def __init__(self, threshold: bool) -> None:
        self.threshold = threshold

    def factors(self, views: Rows) -> Factors:
        trusted = views.trust > 0.3
        limit = 0.4 * views.trust if self.threshold else None
        return Factors(views.label, views.trust + 0.1, trusted, limit)

    def targets(self, pairs: PairTile) -> torch.Tensor:
        return targets_of(
            self.factors(pairs.anchors), self.factors(pairs.contrasts), pairs.similarity_AK
        )


RULES = {
    "factors": SameLabel(),
    "asked": Plain(),
    "soft": Soft(),
    "trusted": Trusting(False),
    "threshold": Trusting(True),
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "anchors": draw(st.integers(1, 13)),
        "extra": draw(st.integers(0, 7)),
        "classes": draw(st.integers(1, 4)),
        "tile": draw(st.sampled_from([1, 2, 3, 5, 64])),
        "form": draw(st.sampled_from(["out", "in"])),
        "temperature": draw(st.sampled_from([1.0, 0.1, 0.015, 0.01])),
        "rule": draw(st.sampled_from(sorted(RULES))),
        "column": draw(st.booleans()),
        "same": draw(st.booleans()),
        "rows": draw(st.booleans()),
        "denominator": draw(
            st.sampled_from(["all", "all", "all", "one_positive", "only_negatives"])
        ),
        "seed": draw(st.integers(0, 9999)),
    }


def make(case: dict[str, Any]) -> tuple[Rows, WeightPlan]:
    generator = torch.Generator().manual_seed(case["seed"])
    a, k = case["anchors"], case["anchors"] + case["extra"]

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    label = torch.randint(-1, case["classes"], (k,), generator=generator)
    index = torch.arange(k) // 2
    label = label[index]  # the views of one sample share their label
    z = torch.randn(k, 5, generator=generator, dtype=torch.float64)
    views = Rows.of(functional.normalize(z, dim=1), label, index=index, trust=rand(k))
    log_column = None
    if case["column"]:
        log_column = torch.randn(k, generator=generator, dtype=torch.float64)
        log_column[rand(k) < 0.2] = -torch.inf
    plan = WeightPlan(
        log_column=log_column,
        log_same=torch.randn(a, generator=generator, dtype=torch.float64) if case["same"] else None,
        temperature=0.1 + rand(a) if case["rows"] else None,
    )
    return views, plan


def answer(
    views: Rows, a: int, compute: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    rows = views.z.clone().requires_grad_()
    contrasts = views.with_z(rows)
    losses, positives = compute(contrasts.rows(slice(0, a)), contrasts)
    weight = torch.linspace(0.5, 1.5, a, dtype=torch.float64)
    (losses * weight).sum().backward()
    return losses.detach(), positives, rows.grad


def assert_equal(ours: Any, plain: Any) -> None:
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-8, rtol=1e-8, check_dtype=False)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_every_way_equals_the_plain_formula(case: dict[str, Any]) -> None:
    views, plan = make(case)
    a, rule = case["anchors"], RULES[case["rule"]]
    common = (rule, plan, case["temperature"], case["form"])
    plain = answer(
        views,
        a,
        lambda x, y: reference_anchor_losses(x, y, *common, denominator=case["denominator"]),
    )
    chosen = answer(
        views,
        a,
        lambda x, y: anchor_losses(
            x, y, *common, denominator=case["denominator"], tile=case["tile"]
        ),
    )
    assert_equal(chosen, plain)
    general = answer(
        views,
        a,
        lambda x, y: tiled_anchor_losses(
            x, y, *common, tile=case["tile"], denominator=case["denominator"]
        ),
    )
    assert_equal(general, plain)


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(0, 6), st.sampled_from(["random", "first"]))
def test_a_cap_leaves_out_what_is_over_it(case: dict[str, Any], size: int, sampling: Any) -> None:
    views, plan = make(case)
    a, rule, cap = case["anchors"], RULES[case["rule"]], Cap(size, sampling, seed=case["seed"])
    common = (rule, plan, case["temperature"], case["form"])
    pairs = PairTile(views.rows(slice(0, a)), views, views.z[:a] @ views.z.T)
    targets = rule.targets(pairs).double().masked_fill(pairs.itself(), 0)
    samples = views.source != int(Source.PROTOTYPE)
    counted = (targets > 0) & ~pairs.same("index") & samples[None, :]
    priority = cap.priority(pairs)
    dropped = torch.zeros_like(counted)
    for row in range(a):
        order = sorted(priority[row, counted[row]].tolist())
        if len(order) > size:
            limit = order[size - 1] if size else -1
            dropped[row] = counted[row] & (priority[row] > limit)
    if sampling == "random":
        assert ((counted & ~dropped).sum(1) <= size).all()
    ours = answer(
        views,
        a,
        lambda x, y: tiled_anchor_losses(
            x, y, *common, tile=case["tile"], denominator=case["denominator"], cap=cap
        ),
    )
    plain = answer(
        views,
        a,
        lambda x, y: reference_anchor_losses(
            x, y, *common, denominator=case["denominator"], dropped_AK=dropped
        ),
    )
    assert_equal(ours, plain)


def per_sample(**settings: Any) -> torch.Tensor:
    labels = settings.pop("labels", torch.tensor([0, 0, 1]))
    loss = SupConLoss(1.0, normalize=False, **settings)
    return loss.details(GOLDEN, labels).anchor_losses.view(2, 3).mean(0)


ONE_CLASS = torch.tensor([0, 0, 0])


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ({"denominator": "one_positive"}, [1.178263, 1.343550, 1.584710]),
        ({"denominator": "only_negatives"}, [0.796528, 1.015499, 1.352946]),
        ({"form": "in", "denominator": "one_positive"}, [1.157167, 1.294157, 1.584710]),
        ({"form": "in", "denominator": "only_negatives"}, [0.756611, 0.931709, 1.352946]),
        ({"positives_cap": 4, "cap_sampling": "first"}, [1.675585, 1.797377, 1.584710]),
        ({"positives_cap": 0}, [1.376929, 1.078572, 1.584710]),
        ({"positives_cap": 0, "form": "in"}, [1.376929, 1.078572, 1.584710]),
        (
            {"positives_cap": 2, "cap_sampling": "first", "labels": ONE_CLASS},
            [1.138530, 1.182403, 1.155742],
        ),
        (
            {"positives_cap": 2, "cap_sampling": "first", "labels": ONE_CLASS, "form": "in"},
            [1.098612, 1.098612, 1.098612],
        ),
    ],
)
def test_published_golden_numbers(settings: dict[str, Any], values: list[float]) -> None:
    torch.testing.assert_close(per_sample(**settings), torch.tensor(values), atol=1e-6, rtol=0)


def test_expected_number_of_positives() -> None:
    """E|P| = 2 (N - 1) / C + 1 = 13.286 for N = 6144 samples of C = 1000 classes, two views."""
    samples, classes = 614, 100
    labels = torch.randint(classes, (samples,), generator=torch.Generator().manual_seed(0))
    details = SupConLoss().details(torch.randn(samples, 2, 4), labels)
    assert details.positives.mean().item() == pytest.approx(
        2 * (samples - 1) / classes + 1, rel=0.1
    )
    assert 2 * (6144 - 1) / 1000 + 1 == pytest.approx(13.286)


def test_a_random_cap_follows_its_seed_alone() -> None:
    z, labels = unit(12, 2, 4), torch.zeros(12, dtype=torch.int64)
    loss = SupConLoss(0.5, positives_cap=3)
    first = loss(z, labels, cap_seed=1)
    assert loss(z, labels, cap_seed=1).item() == first.item()
    assert SupConLoss(0.5, positives_cap=3, tile=5)(z, labels, cap_seed=1).item() == pytest.approx(
        first.item(), rel=1e-12
    )
    assert loss(z, labels, cap_seed=2).item() != first.item()
    counts = loss.details(z, labels, cap_seed=1).positives
    assert (counts == 4).all()  # three, and the own other view


def test_capped_positives_are_spread_evenly() -> None:
    cap, views = Cap(4, "random", 7), Rows.of(torch.ones(400, 1), index=torch.arange(400))
    pairs = PairTile(views, views, torch.ones(400, 400))
    priority = cap.priority(pairs)
    kept = torch.zeros(400)
    for row in range(400):
        kept[priority[row].topk(4, largest=False).indices] += 1
    assert kept.mean() == 4 and kept.max() < 16 and (kept > 0).float().mean() > 0.95


def test_the_first_view_alone_may_be_an_anchor() -> None:
    z, labels = unit(5, 3, 4), torch.tensor([0, 0, 1, 1, 2])
    every = SupConLoss(0.3).details(z, labels)
    first = SupConLoss(0.3, anchors="first").details(z, labels)
    torch.testing.assert_close(first.anchor_losses, every.anchor_losses[:5])
    assert first.loss.item() == pytest.approx(every.anchor_losses[:5].mean().item())
    rows = Rows.of(
        z.transpose(0, 1).reshape(15, 4), labels.repeat(3), index=torch.arange(5).repeat(3)
    )
    order = torch.randperm(15, generator=torch.Generator().manual_seed(0))
    shuffled = SupConLoss(0.3, anchors="first").details(rows.rows(order))
    assert len(shuffled.anchor_losses) == 5


def test_reductions_scale_and_empty() -> None:
    z, labels = unit(6, 8, seed=3), torch.tensor([0, 0, 1, 2, 3, 4])
    plain = SupConLoss(0.1).details(z, labels)
    each = plain.anchor_losses
    assert SupConLoss(0.1, reduction="sum")(z, labels).item() == pytest.approx(each.sum().item())
    torch.testing.assert_close(SupConLoss(0.1, reduction="none")(z, labels), each)
    assert SupConLoss(0.1, empty="zero")(z, labels).item() == pytest.approx(plain.loss.item() / 3)
    assert SupConLoss(0.1, scale="temperature")(z, labels).item() == pytest.approx(
        0.1 * plain.loss.item()
    )
    assert SupConLoss(0.1, scale=3)(z, labels).item() == pytest.approx(3 * plain.loss.item())
    with pytest.raises(ValueError, match="4 of 6 have none"):
        SupConLoss(0.1, empty="raise")(z, labels)
    SupConLoss(0.1, empty="raise")(z[:2], labels[:2])


def test_masks_by_sample_and_by_row() -> None:
    z, labels = unit(4, 2, 3), torch.tensor([0, 1, 0, 1])
    same = labels[:, None] == labels
    expected = SupConLoss(0.2)(z, labels).item()
    assert SupConLoss(0.2)(z, mask=same).item() == pytest.approx(expected, rel=1e-12)
    assert SupConLoss(0.2)(z, mask=same.repeat(2, 2)).item() == pytest.approx(expected, rel=1e-12)
    without_own = same.clone().fill_diagonal_(False)
    assert SupConLoss(0.2).details(z, mask=without_own).positives.tolist() == [2.0] * 8
    asymmetric = torch.zeros(8, 8)
    asymmetric[0, 5] = 2.0
    assert SupConLoss(0.2).details(z, mask=asymmetric).positives.tolist() == [
        2,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]
    queue = Rows.of(unit(2, 3), uid=torch.tensor([-1, -2]), index=torch.tensor([-1, -1]))
    assert SupConLoss(0.2).details(z, extra=queue, mask=same).positives.tolist() == [3.0] * 8
    for bad in (torch.ones(3, 3), torch.ones(4, 5), -torch.ones(4, 4)):
        with pytest.raises(ValueError, match="mask"):
            SupConLoss()(z, mask=bad)
    with pytest.raises(ValueError, match="alone"):
        SupConLoss()(z, labels, mask=same)
    with pytest.raises(ValueError, match="by"):
        MaskRule(same, by="rank")


def test_labels_of_several_classes() -> None:
    hot = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1.0]])
    z = unit(4, 5)
    jaccard = SupConLoss(0.5, selector=Jaccard()).details(z, hot)
    table = torch.tensor(
        [[0, 1 / 2, 0, 1 / 3], [1 / 2, 0, 0, 0], [0, 0, 0, 1 / 2], [1 / 3, 0, 1 / 2, 0]]
    )
    torch.testing.assert_close(jaccard.positives, table.sum(1).double())
    expected = SupConLoss(0.5)(z, mask=table)
    assert jaccard.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    overlap = SupConLoss(0.5, selector=Overlap()).details(z, hot)
    assert overlap.positives.tolist() == [2, 1, 1, 2]
    single = functional.one_hot(torch.tensor([0, 1, 0, 1]))
    for selector in (Jaccard(), Overlap()):
        assert SupConLoss(0.5, selector=selector)(z, single).item() == pytest.approx(
            SupConLoss(0.5)(z, single.argmax(1)).item(), rel=1e-6
        )


def test_mixup_targets() -> None:
    z = unit(6, 4)
    label, index = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 1, 2, 3, 4, 5])
    views = Rows.of(z, label, index=index)
    partner = views.rows(torch.tensor([2, 3, 4, 5, 0, 1]))
    rule = MixupRule(SameLabel())
    whole = SupConLoss(0.3, selector=rule)(mixed_rows(views, partner, torch.ones(6)))
    assert whole.item() == pytest.approx(SupConLoss(0.3)(views).item(), rel=1e-9)
    itself = SupConLoss(0.3, selector=rule)(mixed_rows(views, views, torch.full((6,), 0.7)))
    assert itself.item() == pytest.approx(SupConLoss(0.3)(views).item(), rel=1e-6)
    mixed = mixed_rows(views, partner, torch.full((6,), 0.75))
    tile = PairTile(mixed, mixed, z @ z.T)
    targets = rule.targets(tile)
    assert targets.max() <= 1
    assert targets[0].tolist() == pytest.approx([0.75, 0.75, 0.25, 0.25, 0, 0])
    assert SupConLoss(0.3, selector=rule)(views).item() == pytest.approx(
        SupConLoss(0.3)(views).item()
    )


def test_equal_weights_of_the_classes_by_log_same() -> None:
    """BCL's denominator, anchor left out of its own class's count, against its triple loop."""
    generator = torch.Generator().manual_seed(2)
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    z = functional.normalize(torch.randn(6, 2, 5, generator=generator, dtype=torch.float64), dim=2)
    prototypes = functional.normalize(
        torch.randn(3, 5, generator=generator, dtype=torch.float64), dim=1
    )

    ours = SupConLoss(0.2, weighting=Balanced(prototypes), tile=4).details(z, labels).anchor_losses
    rows, row_labels = z.transpose(0, 1).reshape(12, 5), labels.repeat(2)
    for i in range(12):
        denominator, positives = 0.0, []
        for j in range(3):
            members = [k for k in range(12) if row_labels[k] == j and k != i]
            terms = [float(rows[i] @ rows[k]) / 0.2 for k in members]
            terms.append(float(rows[i] @ prototypes[j]) / 0.2)
            denominator += sum(math.exp(t) for t in terms) / len(terms)
            if j == row_labels[i]:
                positives = terms
        expected = math.log(denominator) - sum(positives) / len(positives)
        assert ours[i].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("denominator", ["all", "one_positive", "only_negatives"])
def test_gradcheck_of_the_family(form: Any, denominator: Any) -> None:
    w = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    loss = SupConLoss(0.4, form, denominator=denominator, tile=3)
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor([0, 1, 0, 2])), w)


def test_second_derivatives_are_a_clear_error() -> None:
    w = torch.randn(4, 2, 3, requires_grad=True)
    (grad,) = torch.autograd.grad(SupConLoss()(w, torch.tensor([0, 0, 1, 1])), w, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives"):
        grad.sum().backward()


def test_which_temperatures_fit_without_a_running_maximum() -> None:
    assert fits(1.0, 0.07) and fits(1.0, 0.014) and not fits(1.0, 0.01)
    assert not fits(128.0, 0.1)


@pytest.mark.parametrize("temperature", [0.0138, 0.01, 0.005, 0.02, 0.07])
def test_opposite_vectors_in_float32_at_small_temperatures(temperature: float) -> None:
    e = torch.tensor([[1.0, 0], [-1, 0], [-1, 0.001], [-1, -0.001]])
    for form in ("out", "in"):
        z = e.clone().requires_grad_()
        loss = SupConLoss(temperature, form).details(z, torch.tensor([0, 0, 1, 1]))
        exact = SupConLoss(temperature, form).details(e.double(), torch.tensor([0, 0, 1, 1]))
        torch.testing.assert_close(
            loss.anchor_losses.double(), exact.anchor_losses, rtol=2e-5, atol=1e-4
        )
        loss.loss.backward()
        assert z.grad is not None and z.grad.isfinite().all()


@pytest.mark.parametrize("denominator", ["all", "one_positive", "only_negatives"])
@pytest.mark.parametrize("form", ["out", "in"])
def test_a_hard_negative_at_a_tiny_temperature(form: Any, denominator: Any) -> None:
    """The positive is opposite, a negative equal: exp(2 / 0.01) does not fit in float32."""
    z = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [-1, 0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 1])
    loss = SupConLoss(0.01, form, denominator=denominator)
    value = loss(z, labels)
    value.backward()
    assert value.item() == pytest.approx(200.0, rel=1e-2)
    assert z.grad is not None and z.grad.isfinite().all()


@pytest.mark.parametrize("log_same", [-20.0, -2.0, 3.0])
def test_weights_of_the_own_class_keep_their_digits(log_same: float) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 4
    center = functional.one_hot(labels, 8).float()
    z = functional.normalize(center + 0.05 * torch.randn(96, 8, generator=generator), dim=1)
    views, plan = Rows.of(z, labels), WeightPlan(log_same=torch.full((96,), log_same))
    ours, positives = anchor_losses(views, views, SameLabel(), plan, 0.05, "out", bound=1.0)
    exact = views.with_z(z.double())
    plan = WeightPlan(log_same=torch.full((96,), log_same, dtype=torch.float64))
    expected, _ = reference_anchor_losses(exact, exact, SameLabel(), plan, 0.05)
    assert (positives == 23).all()
    torch.testing.assert_close(ours.double(), expected, atol=2e-4, rtol=1e-5)


def test_transforms_of_torch_func_are_refused_by_name() -> None:
    z, labels = torch.randn(8, 2, 4), torch.arange(8) % 3
    with pytest.raises(RuntimeError, match="setup_context"):
        torch.func.grad(lambda x: SupConLoss()(x, labels))(z)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"denominator": "none"}, "denominator"),
        ({"anchors": "last"}, "anchors"),
        ({"positives_cap": -1}, "positives_cap"),
        ({"cap_sampling": "best"}, "cap_sampling"),
        ({"reduction": "max"}, "reduction"),
        ({"empty": "ignore"}, "empty"),
        ({"scale": "tau"}, "scale"),
        ({"tile": 0}, "tile"),
    ],
)
def test_settings_that_do_not_exist(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SupConLoss(**settings)
