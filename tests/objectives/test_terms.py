"""Terms: exact values, sharing of forward passes, mixing, the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss, WeightPlan
from supcon_ext.losses.queue import KeyQueue
from supcon_ext.losses.rows import WeightingStep
from supcon_ext.models.network import Outputs
from supcon_ext.objectives import Objective
from supcon_ext.objectives.base import Beliefs, TrainingFacts
from supcon_ext.objectives.base import term as terms
from supcon_ext.objectives.contrastive import Contrastive
from supcon_ext.objectives.cross_entropy import CrossEntropy
from supcon_ext.objectives.mixing import Mix, draw_mix, mix_images
from supcon_ext.selectors.base import SampleBank, Selection
from supcon_ext.selectors.label import Label
from supcon_ext.weightings.uniform import Uniform
from tests.experiment.members import PARAMETERS, write_scores
from tests.objectives.steps import ViewsOf

OUT = torch.tensor([1])  # a row that is a negative of most others
FACTS = TrainingFacts(samples=6, classes=3, counts=torch.tensor([3, 2, 0]), dim=4)


class Net:
    """Counts its passes; features are the pixels."""

    def __init__(self) -> None:
        self.passes = 0

    def __call__(self, images: torch.Tensor) -> Outputs:
        self.passes += 1
        pixels = images.flatten(1)
        return Outputs(pixels, functional.normalize(pixels, dim=1), pixels[:, :3])


def batch(net: Net | None = None, twin: Net | None = None, seed: int = 0) -> ViewsOf:
    generator = torch.Generator().manual_seed(seed)
    label = torch.tensor([0, 0, 1, 1, 0, -1])
    samples = Beliefs(label, torch.ones(6), torch.zeros(6, dtype=torch.int8))
    images = torch.randn(3, 5, 1, 2, 2, generator=generator)
    index = torch.tensor([4, 2, 0, 5, 1])
    names = ("classify", "contrast", "contrast")
    return ViewsOf(images, names, index, samples, net or Net(), twin, generator=generator)


def test_cross_entropy_ignores_unknown_labels() -> None:
    term = terms.make("cross_entropy", views="classify")
    term.setup(FACTS)
    made = batch()
    result = term(made)
    logits = made.images[0].flatten(1)[:, :3]
    known = [0, 1, 2, 4]
    label = torch.tensor([0, 1, 0, 0])
    expected = functional.cross_entropy(logits[known], label)
    assert result.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    right = (logits[known].argmax(1) == label).float().mean()
    assert result.stats["accuracy"].item() == pytest.approx(right.item())


def test_cross_entropy_on_confident_samples_alone() -> None:
    term = terms.make("cross_entropy", views="classify", samples="confident")
    term.setup(FACTS)
    made = batch()
    made.trust = torch.tensor([1.0, 0.2, 0.9, 1.0, 0.5])
    logits = made.images[0, [0, 2]].flatten(1)[:, :3]
    expected = functional.cross_entropy(logits, torch.tensor([0, 0]))
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)
    made.trust = torch.zeros(5)
    assert term(made).loss.item() == 0


@pytest.mark.parametrize(
    ("samples", "meant"),
    [
        (["confident", "real"], [0]),
        (["real", "unconfident"], [1]),
        (["synthetic", "confident"], [4]),
        (["synthetic", "unconfident"], [2]),
        (["confident"], [0, 4]),
    ],
)
def test_of_a_list_of_samples_those_that_are_all_of_it(samples: Any, meant: list[int]) -> None:
    made = batch()  # of samples 4, 2, 0, 5, 1, of which 5 is of no known class
    made.beliefs.source = torch.tensor([1, 1, 0, 0, 0, 0], dtype=torch.int8)
    made.beliefs.trust = torch.tensor([0.2, 1.0, 0.5, 1.0, 1.0, 1.0])
    term = terms.make("cross_entropy", samples=samples, views="classify")
    term.setup(FACTS)
    label = made.beliefs.label[made.index[meant]]
    logits = made.images[0, meant].flatten(1)[:, :3]
    expected = functional.cross_entropy(logits, label) if meant else torch.zeros(())
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_each_sample_counts_as_much_as_it_is_trusted() -> None:
    made = batch()
    made.beliefs.trust = torch.tensor([0.2, 1.0, 0.5, 1.0, 0.0, 1.0])
    term = terms.make("cross_entropy", weigh_by_trust=True, views="classify")
    term.setup(FACTS)
    meant = [0, 1, 2, 4]  # the fourth is of no known class
    place = made.index[meant]
    logits = made.images[0, meant].flatten(1)[:, :3]
    losses = functional.cross_entropy(logits, made.beliefs.label[place], reduction="none")
    trust = made.beliefs.trust[place]
    expected = (losses * trust).sum() / trust.sum()
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)
    plain = terms.make("cross_entropy", views="classify")
    plain.setup(FACTS)
    made.beliefs.trust = torch.full((6,), 0.3)
    assert term(made).loss.item() == pytest.approx(plain(made).loss.item(), rel=1e-6)


def test_logit_adjustment_and_smoothing_by_hand() -> None:
    term = terms.make("cross_entropy", logit_adjustment=1.0, label_smoothing=0.3, views="classify")
    term.setup(FACTS)
    prior = torch.tensor([3.0, 2.0, 1.0]) / 6  # the empty class counts as one sample
    made = batch()
    logits = made.images[0, [0, 1, 2, 4]].flatten(1)[:, :3] + prior.log()
    expected = functional.cross_entropy(logits, torch.tensor([0, 1, 0, 0]), label_smoothing=0.3)
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("prior", ["given", "trusted"])
@pytest.mark.parametrize(
    ("samples", "meant"),
    [
        ("all", [0, 1, 2, 4]),
        ("real", [0, 1]),
        ("synthetic", [2, 4]),
        (("synthetic", "confident"), [2, 4]),
    ],
)
def test_the_prior_counts_the_source_that_is_meant(
    samples: Any, prior: str, meant: list[int]
) -> None:
    made = batch()
    source = torch.zeros(len(made.beliefs.label), dtype=torch.int8)
    source[made.index[[2, 4]]] = 1
    made.beliefs.source = source
    label = made.beliefs.label
    known = torch.bincount(label[label >= 0], minlength=3)
    real = torch.bincount(label[(label >= 0) & (source == 0)], minlength=3)
    facts = TrainingFacts(len(label), 3, known, dim=4, real_counts=real)
    term = terms.make(
        "cross_entropy", logit_adjustment=1.0, samples=samples, prior=prior, views="classify"
    )
    term.setup(facts)
    told = {"all": known, "real": real}.get(samples, known - real).clamp(min=1).float()
    logits = made.images[0, meant].flatten(1)[:, :3] + (told / told.sum()).log()
    expected = functional.cross_entropy(logits, label[made.index[meant]])
    assert term(made).loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_raising_the_prior_of_a_class_raises_its_training_logit() -> None:
    term = CrossEntropy(logit_adjustment=1.0)
    term.setup(TrainingFacts(6, 3, torch.tensor([1, 1, 8]), 4))
    assert term.log_prior[2] > term.log_prior[0]
    uniform = terms.make("cross_entropy", logit_adjustment=1.0, views="classify")
    uniform.setup(TrainingFacts(6, 3, torch.tensor([2, 2, 2]), 4))
    plain = terms.make("cross_entropy", views="classify")
    plain.setup(FACTS)
    assert uniform(batch()).loss.item() == pytest.approx(plain(batch()).loss.item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_mixup_is_the_shared_loss_of_both_labels(seed: int) -> None:
    term = terms.make("cross_entropy", mixup=1.0, views="classify")
    term.setup(FACTS)
    made = batch(seed=seed)
    loss = term(made).loss
    mix, outputs = made.mixed(1.0, 0.0)
    label, share = made.label, float(mix.share[0])
    logits, other = outputs.logits[:5], made.label[mix.partner[:5]]
    total = 0.0
    for i in range(5):
        if label[i] < 0:
            continue
        mine = functional.cross_entropy(logits[i], label[i])
        # a partner without a label counts as class 0 would be wrong: its share is left out
        theirs = functional.cross_entropy(logits[i], other[i]) if other[i] >= 0 else None
        total += float(mine if theirs is None else share * mine + (1 - share) * theirs)
    assert loss.item() == pytest.approx(total / 4, rel=1e-5)


def test_passes_are_shared_between_terms() -> None:
    net = Net()
    objective = Objective(
        {
            "contrastive": terms.make("contrastive", views="contrast"),
            "cross_entropy": terms.make("cross_entropy", views="classify", weight=0.5),
            "mixed": CrossEntropy(mixup=0.4),
            "mixed_too": CrossEntropy(mixup=0.4),
        }
    )
    objective.setup(FACTS)
    loss, stats = objective(batch(net))
    assert net.passes == 2
    expected = (
        stats["contrastive/loss"]
        + 0.5 * stats["cross_entropy/loss"]
        + stats["mixed/loss"]
        + stats["mixed_too/loss"]
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert objective.trains_classifier


def test_contrastive_term_is_the_loss_of_its_views() -> None:
    term = terms.make("contrastive", views="contrast", temperature=0.5)
    made = batch()
    result = term(made)
    expected = SupConLoss(0.5)(made.images[1:].flatten(2).transpose(0, 1), made.label)
    assert result.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert not Objective({"contrastive": term}).trains_classifier


def test_an_epochs_first_batch_is_diagnosed() -> None:
    stats = terms.make("contrastive", views="contrast")(batch()).stats
    assert {"kl", "alignment", "uniformity", "collapsed"} <= stats.keys()
    assert stats["kl"] >= 0 and stats["uniformity"] < 0 and stats["collapsed"] == 0
    made = batch()
    made.step = 1
    assert "kl" not in terms.make("contrastive", views="contrast")(made).stats
    assert "kl" not in terms.make("contrastive", views="contrast", diagnostics=False)(batch()).stats
    for other in ({"denominator": "only_negatives"}, {"positives_cap": 1}):
        assert "kl" not in terms.make("contrastive", views="contrast", **other)(batch()).stats


def test_a_weighted_loss_is_diagnosed_with_its_weights() -> None:
    class Without(Uniform):
        """Leaves one contrast out of every denominator."""

        def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
            return WeightPlan(
                log_column=torch.zeros(len(contrasts)).index_fill_(0, OUT, -torch.inf)
            )

    plain = terms.make("contrastive", views="contrast")(batch()).stats
    term = Contrastive(weighting=Without())
    term.views = "contrast"
    found = term(batch()).stats
    assert found["negative_similarity"].item() != plain["negative_similarity"].item()
    assert found["negative_gradient"].item() != plain["negative_gradient"].item()


def test_mixed_anchors_take_the_positives_of_both_images() -> None:
    term = terms.make("contrastive", views="contrast", mixup=1.0, temperature=0.5)
    made = batch()
    result = term(made)
    mix, outputs = made.mixed(1.0, 0.0)
    z = outputs.z[5:]
    label, index = made.label.repeat(2), made.index.repeat(2)
    logits = (z @ z.T / 0.5).fill_diagonal_(-torch.inf)
    log_p = logits - logits.logsumexp(1, keepdim=True)
    losses = []
    for row in range(10):
        view, place = divmod(row, 5)
        share, other = float(made.shares(mix)[1 + view]), int(made.partners(mix)[1 + view, place])
        weight = torch.zeros(10)
        for column in range(10):
            if column == row:
                continue
            for part, who in ((share, place), (1 - share, other)):
                known = made.label[who] >= 0 and made.label[who] == label[column]
                weight[column] += part * bool(known or made.index[who] == index[column])
        if weight.sum() > 0:
            chosen = weight > 0
            losses.append(-(weight[chosen] * log_p[row][chosen]).sum() / weight.sum())
    assert result.loss.item() == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_mixed_anchors_take_the_positives_of_both_images_beside_a_queue() -> None:
    term = terms.make("contrastive", views="contrast", mixup=1.0, temperature=0.5, queue=10)
    term.setup(FACTS)
    term(batch(twin=Net()))
    made = batch(twin=Net(), seed=1)
    assert term.queue is not None
    queued = term.queue.rows(made.beliefs.label, made.beliefs.trust)
    assert queued is not None
    keys, place = queued.z.clone(), queued.index.tolist()
    found = term(made)
    mix, outputs = made.mixed(1.0, 0.0)
    z = outputs.z[5:]
    index = [*made.index.repeat(2).tolist(), *place]
    label = made.beliefs.label.tolist()
    logits = z @ torch.cat([z, keys]).T / 0.5
    logits[:, :10].fill_diagonal_(-torch.inf)
    log_p = logits.log_softmax(1)
    losses, totals = [], []
    for row in range(10):
        view, first = divmod(row, 5)
        share = float(made.shares(mix)[1 + view])
        parts = ((share, first), (1 - share, int(made.partners(mix)[1 + view, first])))
        weight = torch.zeros(20)
        for column in range(20):
            for part, who in parts:
                own, other = int(made.index[who]), index[column]
                known = label[own] >= 0 and label[own] == label[other]
                weight[column] += part * (column != row and (known or own == other))
        totals.append(float(weight.sum()))
        chosen = weight > 0
        losses.append(-(weight[chosen] * log_p[row][chosen]).sum() / weight.sum())
    assert found.stats["positives"].item() == pytest.approx(sum(totals) / 10, rel=1e-6)
    assert found.loss.item() == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)


def test_a_queue_that_warms_up_is_filled_and_not_used() -> None:
    term = terms.make("contrastive", queue=10, queue_warmup=1, views="contrast")
    term.setup(FACTS)
    first = batch(twin=Net())
    second = batch(twin=Net())
    assert term(first).loss.item() == term(second).loss.item()
    assert term.queue is not None and len(term.queue) == 10
    third = batch(twin=Net())
    third.epoch = 1
    assert term(third).loss.item() > term(first).loss.item()


def test_a_cap_is_drawn_anew_in_each_step() -> None:
    term = terms.make("contrastive", views="contrast", positives_cap=1)
    assert term(batch(seed=1)).stats["positives"].item() == pytest.approx(
        term(batch(seed=2)).stats["positives"].item()
    )
    one = batch(seed=1)
    drawn = {term(one).loss.item() for _ in range(6)}
    assert len(drawn) > 1


def test_a_view_group_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="classify"):
        terms.make("contrastive", views="other")(batch())


def test_problems_name_queue_and_views() -> None:
    stage = {"batch_size": 64, "views": [{"policy": "weak", "count": 2, "name": "a"}]}
    found = list(
        Contrastive.problems({"queue": 100, "views": "b"}, stage, {"model": {"ema": None}})
    )
    assert [path for path, _ in found] == [("views",), ("queue",)]
    assert not list(Contrastive.problems({"queue": 128}, stage, {"model": {"ema": 0.9}}))


def test_queue_is_first_in_first_out_and_never_hands_out_empty_slots() -> None:
    queue = KeyQueue(5, 2)
    label, trust = torch.arange(10), torch.linspace(0, 1, 10)
    assert queue.rows(label, trust) is None
    queue.push(torch.ones(3, 2), torch.tensor([1, 2, 3]))
    views = queue.rows(label, trust)
    assert views is not None and views.index.tolist() == [1, 2, 3]
    queue.push(2 * torch.ones(4, 2), torch.tensor([4, 5, 6, 7]))
    views = queue.rows(label, trust)
    assert views is not None and sorted(views.index.tolist()) == [3, 4, 5, 6, 7]
    assert views.label.tolist() == views.index.tolist()
    assert (views.uid < 0).all() and len(set(views.uid.tolist())) == 5
    queue.push(torch.ones(7, 2), torch.arange(7))
    views = queue.rows(label, trust)
    assert views is not None and sorted(views.index.tolist()) == [2, 3, 4, 5, 6]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 7))
def test_queue_holds_the_last_keys(pushes: list[int], size: int) -> None:
    queue, sent = KeyQueue(size, 1), 0
    for count in pushes:
        index = torch.arange(sent, sent + count)
        queue.push(index[:, None].float(), index)
        sent += count
    views = queue.rows(torch.arange(sent), torch.ones(sent))
    assert views is not None
    assert sorted(views.index.tolist()) == list(range(max(0, sent - size), sent))
    assert torch.equal(views.z[:, 0].long(), views.index)
    other = KeyQueue(size, 1)
    other.load_state_dict(queue.state_dict())
    again = other.rows(torch.arange(sent), torch.ones(sent))
    assert again is not None and torch.equal(again.index, views.index)


def test_queue_follows_what_is_believed_now() -> None:
    twin = Net()
    term = terms.make("contrastive", queue=10, views="contrast")
    term.setup(FACTS)
    first = batch(twin=twin)
    alone = term(first)
    assert term.queue is not None and len(term.queue) == 10
    second = batch(twin=twin)
    second.beliefs.label = torch.full((6,), 2)
    queued = term.queue.rows(second.beliefs.label, second.beliefs.trust)
    assert queued is not None and (queued.label == 2).all()
    assert term(second).loss.item() > alone.loss.item()
    with pytest.raises(ValueError, match=r"model\.ema"):
        term(batch())


class Doubter(Label):
    """Needs losses and doubts the large ones."""

    requires = frozenset({"loss"})

    def refresh(self, bank: SampleBank, epoch: int) -> Selection:
        assert bank.loss is not None and bank.features is None
        return Selection.of(bank.label, (bank.loss < bank.loss.median()).float())


def test_objective_hands_the_bank_to_its_selectors() -> None:
    objective = Objective({"contrastive": Contrastive(selector=Doubter()), "ce": CrossEntropy()})
    assert objective.requires == {"loss"}
    bank = SampleBank(torch.arange(4), torch.zeros(4).long(), 2, loss=torch.arange(4.0))
    selection = objective.refresh(bank, 0)
    assert selection is not None and selection.trust.tolist() == [1, 0, 0, 0]
    twice = Objective({"a": Contrastive(selector=Doubter()), "b": Contrastive(selector=Doubter())})
    with pytest.raises(ValueError, match="one term"):
        twice.refresh(bank, 0)


def test_mixup_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    mix = draw_mix([(6, 1, 4, 4), (4, 1, 2, 2)], 1.0, 0.0, generator)
    assert mix.box is None and ((mix.share >= 0.5) & (mix.share <= 1)).all()
    assert sorted(mix.partner[:6].tolist()) == list(range(6))
    assert sorted(mix.partner[6:].tolist()) == list(range(6, 10))
    assert len(set(mix.share[:6].tolist())) == len(set(mix.share[6:].tolist())) == 1
    images = [torch.randn(6, 1, 4, 4), torch.randn(4, 1, 2, 2)]
    itself = Mix(torch.arange(10), mix.share, None)
    whole = Mix(mix.partner, torch.ones(10), None)
    for view, same in zip(images, mix_images(images, itself), strict=True):
        torch.testing.assert_close(same, view)
    for view, same in zip(images, mix_images(images, whole), strict=True):
        assert torch.equal(same, view)


def test_mixup_of_vectors_and_no_cutmix_of_them() -> None:
    generator = torch.Generator().manual_seed(0)
    mix = draw_mix([(5, 7)], 1.0, 0.0, generator)
    x, share = torch.randn(5, 7), float(mix.share[0])
    (mixed,) = mix_images([x], mix)
    torch.testing.assert_close(mixed, share * x + (1 - share) * x[mix.partner])
    with pytest.raises(ValueError, match="Expected images beside `cutmix`, but got vectors"):
        draw_mix([(5, 7)], 0.0, 1.0, generator)


def test_cutmix_share_is_the_area_that_stays() -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(20):
        mix = draw_mix([(2, 1, 8, 8), (2, 1, 4, 6)], 0.0, 1.0, generator)
        images = [torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 4, 6)]
        for view in images:
            view[1] = 1
        swapped = Mix(torch.tensor([1, 0, 3, 2]), mix.share, mix.box)
        for number, mixed in enumerate(mix_images(images, swapped)):
            assert 1 - mixed[0].mean().item() == pytest.approx(mix.share[2 * number].item())
    kinds = {draw_mix([(2, 1, 8, 8)], 1.0, 1.0, generator).box is None for _ in range(20)}
    assert kinds == {True, False}
    with pytest.raises(ValueError, match="mixup"):
        draw_mix([(2, 1, 8, 8)], 0.0, 0.0, generator)


def test_terms_that_fall_and_rise_over_the_stage() -> None:
    made = batch()
    made.progress = 0.5
    falling = terms.make("cross_entropy", weight=2.0, over_stage="falling")
    rising = terms.make("cross_entropy", weight=2.0, over_stage="rising")
    for part in (falling, rising):
        part.setup(FACTS)
    plain = falling(made).loss
    total, _ = Objective({"contrastive": falling, "cross_entropy": rising})(made)
    torch.testing.assert_close(total, 2 * (0.75 + 0.25) * plain)
    alone, _ = Objective({"cross_entropy": rising})(made)
    torch.testing.assert_close(alone, 2 * 0.25 * plain)


def test_every_term_can_fall_and_rise_over_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scores(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in terms.names():
        member = {"kind": name, **PARAMETERS["term"].get(name, {})}
        made = terms.spec({**member, "over_stage": "rising", "weight": 0.5}).build()
        assert (made.over_stage, made.weight) == ("rising", 0.5), name
