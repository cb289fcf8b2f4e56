"""SynCLR's contrast against the twin: its formula, local crops, every weighting, wrong recipes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.rows import WeightingStep
from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs, TrainingFacts, term
from supcon_ext.objectives.teacher_contrast import TeacherContrast
from supcon_ext.selectors.base import selector
from supcon_ext.weightings.base import weighting
from tests.experiment.members import PARAMETERS, members
from tests.objectives.steps import ViewsOf

TAU = 0.2
CAPTION = torch.tensor([0, 0, 1, 1, 1, 2, 0])  # the sixth sample has a caption of its own


class Pair(nn.Module):
    """Projector and predictor in float64, for pictures of any size."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.project = nn.Linear(6, 4).double()
        self.predict = nn.Linear(4, 4).double()

    def forward(self, images: Tensor) -> Outputs:
        out = self.project(functional.adaptive_avg_pool2d(images, (2, 3)).flatten(1))
        more = {"predictor": functional.normalize(self.predict(out), dim=1)}
        return Outputs(out, functional.normalize(out, dim=1), out, more)


def step(student: nn.Module, teacher: nn.Module, local: bool = True) -> ViewsOf:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(5 if local else 2, 7, 1, 4, 6, generator=generator, dtype=torch.float64)
    names = ("global", "global", "local", "local", "local")[: len(images)]
    trust, role = torch.ones(7), torch.zeros(7, dtype=torch.int8)
    beliefs = Beliefs(CAPTION, trust, role)
    return ViewsOf(images, names, torch.arange(7), beliefs, student, teacher)


def synclr_loss(student: Pair, teacher: Pair, images: Tensor, query: str) -> Tensor:
    """Eq. 4 of SynCLR, anchor by anchor, over two global and three local views of seven images."""

    def anchor(out: Outputs, row: int) -> Tensor:
        return (out.z if query == "projector" else out.more["predictor"])[row]

    with torch.no_grad():
        keys = torch.cat([teacher(images[v]).z for v in (0, 1)])
    owner = CAPTION.repeat(2)
    total = torch.zeros((), dtype=torch.float64)
    for views in ([0, 1], [2], [3], [4]):
        losses = []
        for place, view in enumerate(views):
            out = student(images[view])
            for image in range(7):
                kept = torch.ones(14, dtype=torch.bool)
                if view < 2:
                    kept[7 * place + image] = False  # the twin's encoding of the same view
                positive = kept & (owner == CAPTION[image])
                logits = keys @ anchor(out, image) / TAU
                log_q = logits - logits[kept].exp().sum().log()
                losses.append(-log_q[positive].mean())
        total = total + torch.stack(losses).mean() / (1 if views == [0, 1] else 3)
    return total


@pytest.mark.parametrize("query", ["projector", "predictor"])
def test_loss_and_gradient_are_those_of_the_formula(query: Any) -> None:
    student, teacher = Pair(0), Pair(1)
    made = TeacherContrast(temperature=TAU, query=query, local_views="local")
    made.views = "global"
    batch = step(student, teacher)
    result = made(batch)
    expected = synclr_loss(student, teacher, batch.images, query)
    torch.testing.assert_close(result.loss, expected, rtol=1e-9, atol=0)
    torch.testing.assert_close(
        result.stats["global"] + result.stats["local"], expected.detach(), rtol=1e-9, atol=0
    )
    mine = torch.autograd.grad(result.loss, list(student.parameters()), allow_unused=True)
    theirs = torch.autograd.grad(expected, list(student.parameters()), allow_unused=True)
    for found, wanted in zip(mine, theirs, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)


def test_the_twin_sees_global_views_alone_and_learns_nothing() -> None:
    student, teacher = Pair(0), Pair(1)
    seen = []
    teacher.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    made = TeacherContrast(local_views="local")
    made.views = "global"
    made(step(student, teacher)).loss.backward()
    assert seen == [14]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert student.project.weight.grad is not None


def test_one_view_of_an_image_whose_group_is_its_own_is_lonely_among_global_anchors() -> None:
    batch = step(Pair(0), Pair(1), local=False)
    alone = ViewsOf(batch.images[:1], ("global",), batch.index, batch.beliefs, Pair(0), Pair(1))
    assert TeacherContrast()(alone).stats["lonely"].item() == pytest.approx(1 / 7)
    assert TeacherContrast()(batch).stats["lonely"].item() == 0


@pytest.mark.parametrize("name", members("weighting"))
@pytest.mark.parametrize("local", [False, True])
def test_any_weighting_weighs_the_keys(name: str, local: bool) -> None:
    torch.manual_seed(0)
    given = {"kind": name, **PARAMETERS["weighting"].get(name, {})}
    part = weighting.spec(given).build()
    part.setup(TrainingFacts(9, 3, torch.tensor([4, 3, 2]), dim=4, features=5))
    z, keys = torch.randn(6, 4), torch.randn(9, 4)
    label = torch.tensor([0, 0, 1, 1, 2, 0, 1, 2, 0])
    rows = Rows.of(z, label[:6])
    others = Rows.of(keys[:6], label[:6])
    if local:
        others = Rows.of(keys, label, uid=-1 - torch.arange(9))
    loss = SupConLoss(TAU, selector=selector.make("label"), weighting=part)
    told = WeightingStep(
        rows.with_z(functional.normalize(z, dim=1)), TAU, torch.randn(3, 5), progress=0.9
    )
    part.eval()  # batch norms of prototypes give the same twice
    loss.eval()
    result = loss.details(rows, keys=others, step=told)
    expected, positives = reference_anchor_losses(
        result.anchors, result.contrasts, loss.selector, result.plan, TAU
    )
    torch.testing.assert_close(result.anchor_losses, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result.positives, positives, check_dtype=False)
    assert torch.equal(result.contrasts.z[: len(others)], functional.normalize(others.z, dim=1))


def keys_of(**changes: Any) -> dict[str, Any]:
    given = {"z": torch.randn(6, 4), "label": torch.arange(6), **changes}
    return {"keys": Rows.of(given.pop("z"), given.pop("label"), **given)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"keys": torch.randn(6, 4)}, "Expected `Rows` as argument `keys`"),
        (keys_of(z=torch.randn(3, 4), label=torch.arange(3)), "a key of each of the 6 rows"),
        (keys_of(z=torch.randn(6, 5)), "Expected `keys` with embeddings"),
        (keys_of(index=torch.arange(6).flip(0)), "begin with those of the rows' samples"),
        (keys_of(uid=torch.tensor([0, 1, 2, 3, 4, -1])), "`uid` of all `keys`"),
        (keys_of(z=torch.full((6, 4), torch.nan)), "finite `keys`"),
    ],
)
def test_keys_that_do_not_fit(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SupConLoss().details(torch.randn(6, 4), torch.arange(6), **given)


def test_what_is_wrong_between_the_term_and_its_recipe() -> None:
    stage = {"views": [{"name": "global"}, {"name": "local"}]}
    model: dict[str, Any] = {"ema": None, "predictor": None}

    def problems(**params: Any) -> list[tuple[str, ...]]:
        found = TeacherContrast.problems(params, stage, {"model": model})
        return [path for path, _ in found]

    assert problems(views="global") == [()]
    model["ema"] = 0.99
    assert problems(views="global", local_views="local") == []
    assert problems(views="global", query="predictor") == [("query",)]
    assert problems(local_views="local") == [("views",)]
    assert problems(views="local", local_views="local") == [("views",)]
    assert problems(views="global", local_views="small") == [("local_views",)]
    model["predictor"] = {"kind": "mlp"}
    assert problems(views="global", query="predictor") == []


def test_it_is_in_the_family() -> None:
    assert "teacher_contrast" in term.names()
    with pytest.raises(ValueError, match=r"model\.predictor=mlp"):
        without = step(Pair(0), Pair(1))
        outputs = without.outputs()
        without._outputs = Outputs(outputs.features, outputs.z, outputs.logits)
        TeacherContrast(query="predictor")(without)
