"""StableRep++'s image-text loss: its formula, processes, the file of vectors, wrong data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from data_tools.samples import SampleSet
from data_tools.synthetic_set import SyntheticSet
from data_tools.training_set import caption_texts, with_synthetic
from supcon_ext.losses.gather import world_size
from supcon_ext.models.network import Outputs
from supcon_ext.objectives.base import Beliefs, TrainingFacts
from supcon_ext.objectives.image_text import ImageText
from tests.objectives.steps import ViewsOf
from tests.several import in_processes

CAPTIONS = ("a red ring", "a blue star", "a green cross", "nobody's")
CAPTION = torch.tensor([0, 0, 1, 2, -1, 1])


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 3).double()

    def forward(self, images: Tensor) -> Outputs:
        out = self.linear(images.flatten(1))
        return Outputs(out, functional.normalize(out, dim=1), out)


def write(place: Path, texts: Any = CAPTIONS, x: Any = None) -> str:
    drawn = np.random.default_rng(0).normal(size=(len(texts), 5)) if x is None else x
    np.savez(place / "captions.npz", captions=np.array(texts), vectors=drawn)
    return str(place / "captions.npz")


def term(file: str, **params: Any) -> ImageText:
    made = ImageText(file, **params)
    torch.manual_seed(2)
    made.setup(TrainingFacts(6, 3, torch.tensor([2, 2, 2]), dim=3, captions=CAPTIONS))
    return made.double()


def step(net: nn.Module, share: slice = slice(None), caption: Tensor = CAPTION) -> ViewsOf:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 6, 1, 2, 2, generator=generator, dtype=torch.float64)
    role = torch.zeros(6, dtype=torch.int8)
    beliefs = Beliefs(torch.zeros(6).long(), torch.ones(6), role, {"caption": caption})
    return ViewsOf(images[:, share], ("a", "a"), torch.arange(6)[share], beliefs, net)


def plain(net: Small, made: ImageText, images: Tensor) -> Tensor:
    """Both directions, pair by pair."""
    z = torch.cat([net(view).z for view in images])
    captions = CAPTION.repeat(2).tolist()
    told = [row for row, caption in enumerate(captions) if caption >= 0]
    there = sorted({captions[row] for row in told})
    text = {c: functional.normalize(made.head(made.vectors[c]), dim=0) for c in there}
    scale = made.log_scale.exp()
    logit = {(row, c): scale * (z[row] @ text[c]) for row in told for c in there}
    first = [
        torch.logsumexp(torch.stack([logit[row, c] for c in there]), 0) - logit[row, captions[row]]
        for row in told
    ]
    second = []
    for c in there:
        own = [row for row in told if captions[row] == c]
        total = torch.logsumexp(torch.stack([logit[row, c] for row in told]), 0)
        second.append(torch.stack([total - logit[row, c] for row in own]).mean())
    return (torch.stack(first).mean() + torch.stack(second).mean()) / 2


@pytest.mark.parametrize("layers", [1, 2])
def test_loss_and_gradient_are_those_of_the_formula(layers: int, tmp_path: Path) -> None:
    net, made = Small(), term(write(tmp_path), layers=layers, hidden=7)
    batch = step(net)
    result = made(batch)
    expected = plain(net, made, batch.images)
    torch.testing.assert_close(result.loss, expected, rtol=1e-9, atol=0)
    leaves = [*net.parameters(), *made.parameters()]
    mine = torch.autograd.grad(result.loss, leaves)
    for found, wanted in zip(mine, torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-12)
    assert result.stats["scale"].item() == pytest.approx(1 / 0.07)


def test_the_scale_stays_within_1_and_100(tmp_path: Path) -> None:
    made = term(write(tmp_path))
    for value, kept in ((9.0, math.log(100)), (-2.0, 0.0)):
        with torch.no_grad():
            made.log_scale.fill_(value)
        made(step(Small())).loss.backward()
        assert made.log_scale.item() == pytest.approx(kept)
        assert made.log_scale.grad is not None and made.log_scale.grad.item() != 0


def test_a_batch_without_a_caption_teaches_nothing(tmp_path: Path) -> None:
    net = Small()
    loss = term(write(tmp_path))(step(net, caption=torch.full((6,), -1))).loss
    loss.backward()
    assert loss.item() == 0 and bool((net.linear.weight.grad == 0).all())


def of_a_share(file: str, share: slice) -> Any:
    net, made = Small(), term(file)
    result = made(step(net, share))
    result.loss.backward()
    grads = [parameter.grad for parameter in [*net.parameters(), *made.parameters()]]
    if world_size() > 1:
        for grad in grads:
            dist.all_reduce(grad)
            grad /= world_size()
    return result.loss.detach(), grads


def work(rank: int, file: str) -> Any:
    return of_a_share(file, slice(0, 2) if rank == 0 else slice(2, 6))


def test_two_processes_equal_one(tmp_path: Path) -> None:
    file = write(tmp_path)
    expected = of_a_share(file, slice(0, 6))
    for found in in_processes(work, 2, tmp_path, file):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-12)


def test_vectors_go_by_the_captions_texts(tmp_path: Path) -> None:
    x = np.arange(10.0).reshape(5, 2)
    texts = ("nobody's", "A  Blue star", "a green cross", "a blue star", "a red ring")
    made = term(write(tmp_path, texts, x))
    assert made.vectors.tolist() == [[8, 9], [2, 3], [4, 5], [0, 1]]
    assert "vectors" not in made.state_dict()


@pytest.mark.parametrize(
    ("texts", "x", "said"),
    [
        (CAPTIONS, np.zeros((3, 5)), "floats \\(4, E\\)"),
        (CAPTIONS, np.zeros(4), "floats \\(4, E\\)"),
        (CAPTIONS, np.full((4, 5), np.nan), "finite numbers"),
        ((), np.zeros((0, 5)), "texts \\(n,\\)"),
        ((1, 2, 3, 4), np.zeros((4, 5)), "texts \\(n,\\)"),
    ],
)
def test_files_that_do_not_fit(texts: Any, x: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        ImageText(write(tmp_path, texts, x))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ImageText(str(tmp_path / "x.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ValueError, match="but"):
        ImageText(str(tmp_path / "text.npz"))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="no captions and no vectors"):
        ImageText(str(tmp_path / "other.npz"))


def samples(**columns: Any) -> SampleSet:
    images = np.zeros((3, 8, 8, 1), np.uint8)
    named = {name: np.array(value) for name, value in columns.items()}
    return SampleSet(images, np.zeros(3, dtype=np.int64), ("a",), named)


def test_every_caption_of_the_training_set_has_a_vector(tmp_path: Path) -> None:
    made = ImageText(write(tmp_path))
    made.check(samples(caption=["a red ring", "", "A blue star"]))
    with pytest.raises(ValueError, match="training samples with captions"):
        made.check(samples())
    with pytest.raises(ValueError, match="1 have none: 'a cube'"):
        made.check(samples(caption=["a red ring", "a cube", "a blue star"]))


def test_numbers_of_captions_are_those_of_their_texts() -> None:
    real = samples(caption=["a red ring", "", "A  cube"])
    images = np.zeros((2, 8, 8, 1), np.uint8)
    made = SyntheticSet.of(images, real.spec, real.classes, captions=["star", "a cube"])
    both = with_synthetic(real, made)
    texts = caption_texts(both)
    numbers = both.columns["caption"].tolist()
    said = [texts[number] if number >= 0 else "" for number in numbers]
    assert said == ["a red ring", "", "a cube", "star", "a cube"]
    assert caption_texts(with_synthetic(samples(), made)) == made.captions
    assert caption_texts(samples(caption=[0, 1, 2])) == ()
