"""iBOT's loss, assignments and masks against plain references; several processes; wrong recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from data_tools.registry import family
from supcon_ext.losses.gather import world_size
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.network import Network, build_network
from supcon_ext.objectives.assignment import centred, mean_of_all, sinkhorn_knopp
from supcon_ext.objectives.base import Beliefs, Objective, TrainingFacts
from supcon_ext.objectives.ibot import IBot
from supcon_ext.objectives.masks import masked_images, patch_masks
from supcon_ext.objectives.teacher_contrast import TeacherContrast
from tests.objectives.steps import ViewsOf
from tests.several import in_processes

SIDE, PATCHES, PROTOTYPES = 8, 16, 6
VIT = {
    "kind": "vit_small_images", "image_size": SIDE, "patch": 2, "dim": 8, "depth": 1, "heads": 2,
}  # fmt: skip
DINO = {"kind": "dino", "prototypes": PROTOTYPES, "hidden": 8, "bottleneck": 4}


def network(seed: int, **heads: Any) -> Network:
    made = {"patch_head": DINO, **heads}
    specs = {name: family("head").spec(each).bind() for name, each in made.items()}
    small = family("head").spec({"kind": "mlp", "hidden": 4, "dim": 4}).bind()
    encoder = family("backbone").spec(VIT).bind()
    return build_network(encoder, 1, 3, projector=small, seed=seed, **specs).double()


def term(net: Network, epochs: int = 10, **params: Any) -> IBot:
    made = IBot(**params)
    torch.manual_seed(5)
    facts = TrainingFacts(5, 3, torch.tensor([2, 2, 1]), dim=4, epochs=epochs, network=net)
    made.setup(facts)
    return made.double()


def step(student: nn.Module, teacher: nn.Module, rows: slice = slice(None)) -> ViewsOf:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 5, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)
    beliefs = Beliefs(torch.zeros(5).long(), torch.ones(5), torch.zeros(5, dtype=torch.int8))
    index = torch.arange(5)[rows]
    return ViewsOf(images[:, rows], ("a", "a"), index, beliefs, student, teacher, progress=0.3)


def plain_sinkhorn(scores: Tensor, temperature: float) -> Tensor:
    """Three iterations as the authors write them: rows to 1 / K, columns to 1 / B."""
    q = (scores / temperature).exp().T
    prototypes, rows = q.shape
    q = q / q.sum()
    for _ in range(3):
        q = q / q.sum(1, keepdim=True) / prototypes
        q = q / q.sum(0, keepdim=True) / rows
    return (q * rows).T


@pytest.mark.parametrize("temperature", [0.04, 0.07, 1.0])
def test_sinkhorn_knopp_by_the_authors_steps(temperature: float) -> None:
    torch.manual_seed(0)
    scores = torch.rand(40, 9, dtype=torch.float64) * 2 - 1
    found = sinkhorn_knopp(scores, temperature)
    torch.testing.assert_close(found, plain_sinkhorn(scores, temperature), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(found.sum(1), torch.ones(40, dtype=torch.float64))
    many = sinkhorn_knopp(scores, temperature, 500)
    torch.testing.assert_close(many.sum(0), torch.full((9,), 40 / 9, dtype=torch.float64))


def test_sinkhorn_of_scores_that_overflow_and_of_a_prototype_that_nobody_wants() -> None:
    scores = torch.tensor([[900.0, 0.0, -900.0], [800.0, 3.0, -900.0], [-900.0, 0.0, -900.0]])
    found = sinkhorn_knopp(scores, 0.04)
    assert bool(found.isfinite().all())
    torch.testing.assert_close(found.sum(1), torch.ones(3))
    low = sinkhorn_knopp(torch.rand(8, 4, dtype=torch.bfloat16), 0.1)
    assert low.dtype == torch.float32 and bool(low.isfinite().all())


def test_centring_takes_the_running_mean_off() -> None:
    scores = torch.randn(6, 4, dtype=torch.float64)
    centre = torch.randn(4, dtype=torch.float64)
    expected = torch.softmax((scores - centre) / 0.07, 1)
    torch.testing.assert_close(centred(scores, centre, 0.07), expected)
    torch.testing.assert_close(mean_of_all(scores), scores.mean(0))


def plain_ibot(
    student: Network, teacher: Network, images: Tensor, made: IBot, place: Tensor, mask: Tensor
) -> Tensor:
    """Token by token; the twin's targets by the authors' Sinkhorn-Knopp or by a centre of 0."""
    temperature = made.temperature(0.3)
    _, told = teacher.token_scores(images[place], mask, None)
    sinkhorn = made.assignment == "sinkhorn"
    target = (
        plain_sinkhorn(told, temperature) if sinkhorn else (told / temperature).softmax(1)
    ).detach()
    encoder: Any = student.backbone
    total, number = torch.zeros((), dtype=torch.float64), 0
    for image in range(len(place)):
        _, tokens = encoder.tokens(images[place[image]][None], mask[image][None], made.mask_token)
        losses = []
        for patch in mask[image].nonzero()[:, 0].tolist():
            assert student.patch_head is not None
            log_p = (student.patch_head(tokens[:, patch])[0] / 0.1).log_softmax(0)
            losses.append(-(target[number] * log_p).sum())
            number += 1
        total = total + torch.stack(losses).mean() / len(place)
    return total


@pytest.mark.parametrize("assignment", ["sinkhorn", "centring"])
@pytest.mark.parametrize("mask", ["random", "block"])
def test_loss_and_gradient_are_those_of_the_formula(assignment: Any, mask: Any) -> None:
    student, teacher = network(0), network(1)
    made = term(student, assignment=assignment, mask=mask, warmup_epochs=5.0)
    batch = step(student, teacher)
    drawn = torch.Generator().manual_seed(0)
    place = masked_images(10, 0.5, False, drawn)
    holes = patch_masks(5, (4, 4), 0.5, mask, drawn)
    result = made(batch)
    images = batch.groups["a"].x
    expected = plain_ibot(student, teacher.eval(), images, made, place, holes)
    torch.testing.assert_close(result.loss, expected, rtol=1e-8, atol=0)
    leaves = [*student.parameters(), made.mask_token]
    mine = torch.autograd.grad(result.loss, leaves, allow_unused=True)
    theirs = torch.autograd.grad(expected, leaves, allow_unused=True)
    assert mine[-1] is not None and bool((mine[-1] != 0).any())
    for found, wanted in zip(mine, theirs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-10)
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize("own", [False, True])
def test_features_learn_from_the_other_views(own: bool) -> None:
    heads = {"cls_head": {**DINO, "prototypes": 9}} if own else {}
    student, teacher = network(0, **heads), network(1, **heads)
    made = term(student, assignment="centring", cls_weight=0.5)
    batch = step(student, teacher)
    result = made(batch)
    drawn = torch.Generator().manual_seed(0)
    place = masked_images(10, 0.5, False, drawn)
    holes = patch_masks(5, (4, 4), 0.5, "random", drawn)
    images = batch.groups["a"].x
    cls, _ = student.token_scores(images[place], holes, made.mask_token)
    whole = torch.zeros(10, PATCHES, dtype=torch.bool)
    told, _ = teacher.token_scores(images, whole, None)
    assert cls.shape[1] == (9 if own else PROTOTYPES)
    losses = []
    for number, row in enumerate(place.tolist()):
        other = (row + 5) % 10  # the other view of the same sample
        target = (told[other] / made.temperature(0.3)).softmax(0).detach()
        losses.append(-(target * (cls[number] / 0.1).log_softmax(0)).sum())
    torch.testing.assert_close(result.stats["cls"], torch.stack(losses).mean().detach())
    total = result.stats["patches"] + 0.5 * result.stats["cls"]
    torch.testing.assert_close(result.loss.detach(), total)


def test_the_centre_follows_the_twins_mean_after_the_loss() -> None:
    student, teacher = network(0), network(1)
    made = term(student, assignment="centring", masked_images=1.0, masked_tokens=1.0)
    batch = step(student, teacher)
    made(batch)
    everything = torch.ones(10, PATCHES, dtype=torch.bool)
    _, told = teacher.token_scores(batch.groups["a"].x, everything, None)
    first = 0.1 * told.mean(0).detach()
    torch.testing.assert_close(made.centre, first)
    made(step(student, teacher))
    torch.testing.assert_close(made.centre, 0.9 * first + first)
    still = term(student, masked_images=1.0)
    still(step(student, teacher))
    assert bool((still.centre == 0).all())


def test_the_teachers_temperature_warms_up_in_a_straight_line() -> None:
    made = term(network(0), epochs=20, warmup_epochs=10)
    expected = [0.04, 0.055, 0.07, 0.07]
    assert [made.temperature(x) for x in (0, 0.25, 0.5, 0.9)] == pytest.approx(expected)
    assert term(network(0)).temperature(0.0) == 0.07


def trained_by(*names: str, **params: Any) -> tuple[Tensor, list[Tensor | None], list[int]]:
    """Loss and gradients of some terms in one step, and the images of each pass of the twin."""
    student, twin = network(0), EMATwin(network(1), 0.9)
    kinds = {"ibot": lambda: IBot(**params), "teacher_contrast": TeacherContrast}
    objective = Objective({name: kinds[name]() for name in names})
    torch.manual_seed(5)
    facts = TrainingFacts(5, 3, torch.tensor([2, 2, 1]), dim=4, epochs=10, network=student)
    objective.setup(facts)
    objective.double()
    seen: list[int] = []
    embed = twin.network.backbone.trunk.get_submodule("patch_embed")
    embed.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    loss, _ = objective(step(student, twin))
    leaves = list(student.parameters())
    return loss, list(torch.autograd.grad(loss, leaves, allow_unused=True)), seen


@pytest.mark.parametrize("cls_weight", [0.0, 0.5])
@pytest.mark.parametrize("order", [("teacher_contrast", "ibot"), ("ibot", "teacher_contrast")])
def test_terms_share_one_pass_of_the_twin(order: tuple[str, str], cls_weight: float) -> None:
    params: dict[str, Any] = {"cls_weight": cls_weight}
    loss, gradients, seen = trained_by(*order, **params)
    assert seen == [10]
    contrast, ibot = (trained_by(name, **params) for name in ("teacher_contrast", "ibot"))
    assert contrast[2] == [10] and ibot[2] == [10 if cls_weight else 5]
    torch.testing.assert_close(loss, contrast[0] + ibot[0], rtol=1e-12, atol=0)
    for found, *apart in zip(gradients, contrast[1], ibot[1], strict=True):
        parts = [part for part in apart if part is not None]
        assert (found is None) == (not parts)
        if found is not None:
            torch.testing.assert_close(found, torch.stack(parts).sum(0), rtol=1e-9, atol=1e-14)


def test_masks_hide_as_many_as_they_say_and_differ() -> None:
    drawn = torch.Generator().manual_seed(0)
    place = masked_images(11, 0.5, False, drawn)
    assert len(place) == 5 and place.tolist() == sorted(set(place.tolist()))
    assert masked_images(11, 0.5, True, drawn).tolist() == [0, 1, 2, 3, 4]
    assert len(masked_images(1, 0.1, False, drawn)) == 1
    random = patch_masks(200, (14, 14), 0.5, "random", drawn)
    assert bool((random.sum(1) == 98).all())
    share = random.float().mean(0)
    assert float(share.min()) > 0.3 and float(share.max()) < 0.7
    assert patch_masks(3, (2, 2), 0.1, "random", drawn).sum(1).tolist() == [1, 1, 1]


def test_block_masks_are_rectangles_on_each_other() -> None:
    drawn = torch.Generator().manual_seed(0)
    masks = patch_masks(200, (14, 14), 0.5, "block", drawn)
    counts = masks.sum(1)
    assert int(counts.max()) <= 98 and float(counts.float().mean()) > 90
    # neighbours are hidden together more often than by chance
    square = masks.view(200, 14, 14)
    alike = (square[:, 1:] == square[:, :-1]).float().mean()
    random = patch_masks(200, (14, 14), 0.5, "random", drawn).view(200, 14, 14)
    assert float(alike) > 0.75 > 0.55 > float((random[:, 1:] == random[:, :-1]).float().mean())
    for grid in ((1, 1), (2, 2), (2, 3), (1, 5)):
        small = patch_masks(20, grid, 0.5, "block", drawn)
        assert bool((small.sum(1) >= 1).all())


def of_a_share(share: slice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    scores = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found["assigned"] = sinkhorn_knopp(scores[share], 0.07)
    settings: dict[str, Any] = {"masked_images": 1.0, "cls_weight": 0.5}
    for assignment in ("sinkhorn", "centring"):
        student, teacher = network(0), network(1)
        made = term(student, assignment=assignment, **settings)
        for number in range(2):
            leaves = [*student.parameters(), *made.parameters()]
            for parameter in leaves:
                parameter.grad = None
            loss = made(step(student, teacher, share)).loss
            loss.backward()
            grads = [parameter.grad for parameter in leaves if parameter.grad is not None]
            if world_size() > 1:
                for grad in grads:
                    dist.all_reduce(grad)
                    grad /= world_size()
            found[f"{assignment}/{number}"] = loss.detach(), [g.clone() for g in grads]
        found[assignment] = dict(made.state_dict())
    return found


def same_holes(count: int, *rest: Any) -> Tensor:
    return (torch.arange(PATCHES) % 3 == 0).repeat(count, 1)


def work(rank: int) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supcon_ext.objectives.ibot.patch_masks", same_holes)
        return of_a_share(slice(0, 2) if rank == 0 else slice(2, 5))


def test_two_processes_equal_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supcon_ext.objectives.ibot.patch_masks", same_holes)
    expected = of_a_share(slice(0, 5))
    parts = in_processes(work, 2, tmp_path)
    whole = torch.cat([part.pop("assigned") for part in parts])
    torch.testing.assert_close(whole, expected.pop("assigned"))
    for part in parts:
        torch.testing.assert_close(part, expected, rtol=1e-6, atol=1e-9)


def test_what_is_wrong_between_the_term_and_its_recipe() -> None:
    stage = {"views": [{"name": "global"}]}

    def problems(model: dict[str, Any], **params: Any) -> list[str]:
        found = IBot.problems(params, stage, {"model": model})
        return [message for _, message in found]

    assert problems({"patch_head": {"kind": "dino"}, "ema": 0.9}, views="global") == []
    told = problems({}, views="small")
    assert len(told) == 3
    assert "model.patch_head=dino" in told[1] and "model.ema" in told[2]


def test_a_network_without_tokens_and_views_of_several_sizes() -> None:
    made = IBot()
    with pytest.raises(ValueError, match="hands out patch tokens"):
        made.setup(TrainingFacts(5, 3, torch.tensor([2, 2, 1]), dim=4))
    net = network(0)
    batch = step(net, net)
    group = batch.groups["a"]
    batch.groups = {"a": group, "b": group._replace(x=group.x[..., :4, :4])}
    with pytest.raises(ValueError, match="Expected views of one size"):
        term(net)(batch)
