"""Several gloo processes against one: the same loss, the same gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.gather import gather_rows, gather_tensor, global_mean
from tests.losses.balanced import Balanced
from tests.several import in_processes


def problem() -> tuple[torch.Tensor, torch.Tensor, nn.Module]:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(11, 2, 6, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 0, 2, 2, 3, 4, 1, 5, 6, 0])
    torch.manual_seed(1)
    return images, labels, nn.Linear(6, 4).double()


def one_process(form: str) -> tuple[float, list[torch.Tensor]]:
    images, labels, encoder = problem()
    loss = SupConLoss(0.2, form)(encoder(images), labels)
    loss.backward()
    return loss.item(), [p.grad for p in encoder.parameters()]


def work(rank: int, sizes: list[int], form: str) -> dict[str, Any]:
    images, labels, encoder = problem()
    parallel = nn.parallel.DistributedDataParallel(encoder)
    start = sum(sizes[:rank])
    mine = slice(start, start + sizes[rank])
    details = SupConLoss(0.2, form).details(parallel(images[mine]), labels[mine])
    details.loss.backward()
    values = torch.arange(float(sizes[rank])) + start
    mean, mass = global_mean(values, torch.ones_like(values))
    gathered, at = gather_rows(Rows.of(images[mine, 0], labels[mine], trust=values / 11))
    return {
        "loss": details.loss.detach(),
        "lonely": details.lonely,
        "grads": [p.grad for p in encoder.parameters()],
        "mean": mean,
        "mass": mass,
        "labels": gathered.label,
        "uid": gathered.uid,
        "start": at,
        "rows": torch.cat(gather_tensor(images[mine, 0], sizes)),
    }


@pytest.mark.parametrize(
    ("sizes", "form"), [([6, 5], "out"), ([3, 8], "in"), ([1, 4, 6], "out"), ([5, 5, 1], "out")]
)
def test_several_processes_equal_one(sizes: list[int], form: str, tmp_path: Path) -> None:
    loss, grads = one_process(form)
    images, labels, _ = problem()
    for rank, result in enumerate(in_processes(work, len(sizes), tmp_path, sizes, form)):
        assert result["loss"].item() == pytest.approx(loss, rel=1e-12)
        for ours, theirs in zip(result["grads"], grads, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
        lonely = SupConLoss(0.2).details(images, labels).lonely
        assert result["lonely"].item() == pytest.approx(lonely.item())
        assert result["mean"].item() == pytest.approx(5.0)
        assert result["mass"].item() == 11
        assert torch.equal(result["labels"], labels)
        assert result["uid"].tolist() == list(range(11))
        assert result["start"] == sum(sizes[:rank])
        assert torch.equal(result["rows"], images[:, 0])


def test_lonely_anchors_differ_between_processes(tmp_path: Path) -> None:
    """A mean of the processes' means would be wrong: rank 1 has no anchor with a positive."""
    images, _, encoder = problem()
    single = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5])
    loss = SupConLoss(0.2)(encoder(images[:, :1]), single)
    loss.backward()
    for result in in_processes(lonely_work, 2, tmp_path):
        assert result["loss"].item() == pytest.approx(loss.item(), rel=1e-12)
        torch.testing.assert_close(result["grad"], encoder.weight.grad, rtol=1e-10, atol=1e-12)


def lonely_work(rank: int) -> dict[str, Any]:
    images, _, encoder = problem()
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5])
    parallel = nn.parallel.DistributedDataParallel(encoder)
    mine = slice(0, 6) if rank == 0 else slice(6, 11)
    loss = SupConLoss(0.2)(parallel(images[mine, :1]), labels[mine])
    loss.backward()
    return {"loss": loss.detach(), "grad": encoder.weight.grad}


class Prototypes(nn.Module):
    """An encoder with one learnt prototype a class, and the weights that count each class once."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.prototypes = nn.Parameter(torch.randn(7, 4))
        self.double()

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss = SupConLoss(0.2, weighting=Balanced(self.prototypes))
        return loss(self.encoder(images), labels)


def balanced_work(rank: int, sizes: list[int]) -> list[Any]:
    images, labels, _ = problem()
    torch.manual_seed(3)
    module = Prototypes()
    start = sum(sizes[:rank])
    mine = slice(start, start + sizes[rank])
    parallel = nn.parallel.DistributedDataParallel(module)  # must outlive the backward pass
    loss = parallel(images[mine], labels[mine])
    loss.backward()
    return [loss.detach(), *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("sizes", [[6, 5], [2, 4, 5]])
def test_prototypes_and_class_counts_are_the_jobs_not_the_processes(
    sizes: list[int], tmp_path: Path
) -> None:
    images, labels, _ = problem()
    torch.manual_seed(3)
    module = Prototypes()
    loss = module(images, labels)
    loss.backward()
    expected = [loss.detach(), *(p.grad for p in module.parameters())]
    for result in in_processes(balanced_work, len(sizes), tmp_path, sizes):
        for ours, theirs in zip(result, expected, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_global_mean_of_nothing_is_zero() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    mean, mass = global_mean(values, torch.zeros(2))
    mean.backward()
    assert mean.item() == 0 and mass.item() == 0
    assert torch.equal(values.grad, torch.zeros(2))


def test_global_mean_of_vectors_is_that_of_each_column() -> None:
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    weight = torch.tensor([1.0, 0.0, 2.0, 0.5, 1.5])
    mean, mass = global_mean(values, weight)
    columns = [global_mean(values[:, column], weight)[0] for column in range(3)]
    torch.testing.assert_close(mean, torch.stack(columns))
    assert mean.shape == (3,) and mass.item() == 5
    mean.sum().backward()
    torch.testing.assert_close(values.grad, (weight / 5)[:, None].expand(5, 3))
