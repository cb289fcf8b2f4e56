"""Groups of a step that differ in size, in views and in samples: every term on its own group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from data_tools.registry import family
from supcon_ext.feed.base import Group
from supcon_ext.losses.rows import Source
from supcon_ext.losses.supcon import SupConLoss
from supcon_ext.models.backbones.vit_small_images import vit_small_images
from supcon_ext.models.base import Backbone
from supcon_ext.models.heads.dino import DinoHead
from supcon_ext.models.network import Network, build_network
from supcon_ext.objectives.base import Beliefs, StepBatch, Term, TrainingFacts
from supcon_ext.objectives.base import term as terms
from supcon_ext.objectives.batch import passes
from supcon_ext.selectors.label import Label
from tests.experiment.members import PARAMETERS, write_scores

SAMPLES, CLASSES = 12, 3
LABEL = torch.arange(SAMPLES) % CLASSES
FACTS = TrainingFacts(
    SAMPLES, CLASSES, torch.full((CLASSES,), 4), dim=128, features=8, selector=Label(), epochs=2
)


class Counted(nn.Module):
    """A network that writes down the inputs of its passes."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.seen: list[tuple[int, ...]] = []

    @property
    def classifier(self) -> Any:
        return self.network.classifier

    def forward(self, images: torch.Tensor) -> Any:
        self.seen.append(tuple(images.shape))
        return self.network(images)


def network(seed: int = 0) -> Network:
    def patch_head(in_dim: int, classes: int) -> DinoHead:
        return DinoHead(in_dim, prototypes=6, hidden=8, bottleneck=4)

    def encoder(channels: int) -> Backbone:
        return vit_small_images(channels, image_size=16, dim=8, depth=1, heads=2)

    made = build_network(encoder, 1, CLASSES, patch_head=patch_head, seed=seed)
    return made.eval()  # statistics of a batch would tie groups together


def facts() -> TrainingFacts:
    captions = tuple(f"caption {number}" for number in range(6))
    return replace(FACTS, network=network(), captions=captions, new_network=lambda _: network(2))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scores(tmp_path)
    monkeypatch.chdir(tmp_path)


def made_of(name: str, **params: Any) -> Term:
    needed = {"image_text": PARAMETERS["term"]["image_text"]}.get(name, {})
    return terms.make(name, **needed, **params)


def group(size: int, samples: list[int], views: int, seed: int) -> Group:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(views * len(samples), 1, size, size, generator=generator)
    return Group(x, torch.tensor(samples).repeat(views), views)


def groups() -> dict[str, Group]:
    return {
        "classify": group(16, [3, 1, 7, 5], 1, 0),
        "local": group(8, [3, 1, 7, 5], 3, 1),
        "contrast": group(16, [3, 1, 7, 5], 2, 2),
        "synthetic": group(16, [8, 11], 2, 3),
    }


def step(chosen: dict[str, Group], net: Any = None) -> StepBatch:
    beliefs = Beliefs(
        LABEL,
        torch.linspace(0.1, 1, SAMPLES),
        torch.zeros(SAMPLES, dtype=torch.int8),
        {"caption": torch.arange(SAMPLES) // 2},
    )
    beliefs.source = (torch.arange(SAMPLES) >= 8).to(torch.int8)
    net = net or network()
    generator = torch.Generator().manual_seed(0)
    return StepBatch(chosen, beliefs, net, network(1), 0, 0, 0.0, generator)


def test_one_pass_a_size_in_the_order_of_the_groups() -> None:
    net = Counted(network())
    made = step(groups(), net)
    outputs = made.outputs()
    assert net.seen == [(4 + 8 + 4, 1, 16, 16), (12, 1, 8, 8)]
    for name, each in made.groups.items():
        place = made.rows(name).place
        torch.testing.assert_close(outputs.z[place], network()(each.x).z)
    assert made.outputs() is outputs
    assert len(outputs.logits) == len(made.rows(None)) == 28


def test_rows_know_their_samples_source_and_columns() -> None:
    made = step(groups())
    mine = made.rows("synthetic")
    rows = mine.rows(made.outputs().z[mine.place])
    assert rows.index.tolist() == [8, 11, 8, 11]
    assert rows.source.tolist() == [int(Source.SYNTHETIC)] * 4
    assert rows.column("caption").tolist() == [4, 5, 4, 5]
    assert torch.equal(rows.trust, made.beliefs.trust[rows.index])
    everyone = made.rows(None)
    assert everyone.sizes == (4, 4, 4, 4, 4, 4, 2, 2)
    assert everyone.rows(made.outputs().z).source.tolist() == [0] * 24 + [1] * 4


def test_a_loss_over_all_groups_is_that_of_their_rows() -> None:
    made = step(groups())
    term = terms.make("contrastive", temperature=0.3)
    term.setup(FACTS)
    z, sample = made.outputs().z, made.rows(None).sample
    pairs = (LABEL[sample][:, None] == LABEL[sample][None]).fill_diagonal_(False)
    logits = (z @ z.T / 0.3).fill_diagonal_(-torch.inf)
    log_p = logits.log_softmax(1).masked_fill(~pairs, 0)
    expected = -(log_p.sum(1) / pairs.sum(1)).mean()
    torch.testing.assert_close(term(made).loss, expected)


def test_mixing_stays_within_a_view() -> None:
    made = step(groups())
    mix, outputs = made.mixed(1.0, 0.0)
    start = 0
    for size in made.rows(None).sizes:
        inside = mix.partner[start : start + size]
        assert sorted(inside.tolist()) == list(range(start, start + size))
        assert len(set(mix.share[start : start + size].tolist())) == 1
        start += size
    local = made.rows("local")
    partner, share = local.partners(mix)
    x = made.groups["local"].x
    mixed = share[:, None, None, None] * x + (1 - share)[:, None, None, None] * x[partner]
    torch.testing.assert_close(outputs.logits[local.place], network()(mixed).logits)


def names() -> list[str]:
    return [e.name for e in family("term") if e.target.__module__.startswith("supcon_ext.")]


@pytest.mark.parametrize("name", names())
def test_every_term_on_one_group_sees_that_group_alone(name: str) -> None:
    """Others beside it change nothing, whatever their size and samples."""

    def value(chosen: dict[str, Group]) -> torch.Tensor:
        torch.manual_seed(0)
        made = made_of(name, views="contrast")
        made.setup(facts())
        return made(step(chosen)).loss

    alone = value({"contrast": groups()["contrast"]})
    assert alone.isfinite()
    if name == "dynamic_bootstrap":  # who is mixed with whom is drawn for all groups
        first = value({"contrast": groups()["contrast"], "local": groups()["local"]})
        assert first.isfinite()
        return
    torch.testing.assert_close(value(groups()), alone)


@pytest.mark.parametrize("name", names())
def test_every_term_over_all_groups_of_one_size(name: str) -> None:
    chosen = {k: v for k, v in groups().items() if k != "local"}
    made = made_of(name)
    made.setup(facts())
    if name == "co_teaching":
        with pytest.raises(ValueError, match="Expected views of the same samples"):
            made(step(chosen))
        return
    made(step(chosen)).loss.backward()


def test_a_group_that_is_not_there() -> None:
    made = step(groups())
    with pytest.raises(ValueError, match=r"`views` to name one of \['classify', 'contrast'"):
        made.rows("global")


def test_pieces_go_back_to_their_places() -> None:
    made = step(groups())
    whole = passes(network(), made.inputs)
    torch.testing.assert_close(
        whole.features, torch.cat([network()(x).features for x in made.inputs])
    )
    loss = SupConLoss()(whole.z, made.rows(None).label)
    assert loss.isfinite()
