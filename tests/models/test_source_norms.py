"""Batch norms apart for real and synthetic rows: each as if it were alone, and real in the end."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from data_tools.registry import family
from supcon_ext.experiment import run
from supcon_ext.experiment.open import open_run
from supcon_ext.models.ema import EMATwin
from supcon_ext.models.network import Network, build_network
from supcon_ext.models.source_norms import SourceNorm, rows_by_source, separate_norms
from supcon_ext.objectives.base import Beliefs
from supcon_ext.objectives.batch import StepBatch, passes
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.families import load_families
from tests.experiment.members import beside_synthetic, recipe, stage
from tests.objectives.steps import ViewsOf

load_families()
SYNTHETIC = torch.tensor([False, True, True, False, True, False, False])


def network(backbone: Any = None) -> Network:
    given = backbone or {"kind": "conv4", "width": 2}
    small = family("head").spec({"kind": "mlp", "hidden": 6, "dim": 4}).bind()
    encoder = family("backbone").spec(given).bind()
    return build_network(encoder, 1, 3, projector=small, seed=0).double()


def images(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(7, 1, 8, 8, generator=generator, dtype=torch.float64)


def test_each_source_is_normalised_as_if_it_were_alone() -> None:
    plain, apart = network(), separate_norms(network())
    x = images()
    x[SYNTHETIC] = 3 * x[SYNTHETIC] + 1
    alone = {kind: copy.deepcopy(plain) for kind in (False, True)}
    with rows_by_source(apart, SYNTHETIC):
        outputs = apart(x)
    for kind, net in alone.items():
        rows = kind == SYNTHETIC
        expected = net(x[rows])
        torch.testing.assert_close(outputs.z[rows], expected.z, rtol=1e-10, atol=1e-10)
    norms = [part for part in apart.modules() if isinstance(part, SourceNorm)]
    assert len(norms) == 5
    for kind, net in alone.items():
        own = [part for part in net.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
        for both, one in zip(norms, own, strict=True):
            mine: Any = both.synthetic if kind else both.real
            torch.testing.assert_close(mine.running_mean, one.running_mean)
            torch.testing.assert_close(mine.running_var, one.running_var)
    apart.eval()
    torch.testing.assert_close(apart(x).z, alone[False].eval()(x).z, rtol=1e-8, atol=1e-8)


def test_gradients_go_to_each_sources_own_weights() -> None:
    apart = separate_norms(network())
    with rows_by_source(apart, torch.ones(7, dtype=torch.bool)):
        apart(images()).z[:, 0].sum().backward()
    norms = [part for part in apart.modules() if isinstance(part, SourceNorm)]
    assert all(part.real.weight.grad is None for part in norms)
    assert all(part.synthetic.weight.grad is not None for part in norms)


def test_without_a_synthetic_row_nothing_changes() -> None:
    plain, apart = network(), separate_norms(network())
    torch.testing.assert_close(apart(images()).z, plain(images()).z, rtol=0, atol=0)
    with rows_by_source(apart, torch.zeros(7, dtype=torch.bool)):
        torch.testing.assert_close(apart(images(1)).z, plain(images(1)).z)
    with rows_by_source(plain, SYNTHETIC):  # of a network without norms apart nothing is asked
        plain(images())


def test_a_source_of_one_row_is_normalised_by_what_was_measured_before() -> None:
    apart = separate_norms(network())
    one = torch.zeros(7, dtype=torch.bool)
    one[3] = True
    head: Any = next(p for p in apart.projector.modules() if isinstance(p, SourceNorm))
    before = head.synthetic.running_mean.clone()
    with rows_by_source(apart, one):
        assert bool(apart(images()).z.isfinite().all())
    assert torch.equal(head.synthetic.running_mean, before)
    assert apart.sources is not None and apart.sources.synthetic is None


def test_the_twin_has_norms_of_its_own_and_passes_of_several_sizes_know_their_rows() -> None:
    apart = separate_norms(network())
    twin = EMATwin(apart, 0.9)
    assert twin.network.sources is not apart.sources
    beliefs = Beliefs(torch.zeros(7).long(), torch.ones(7), torch.zeros(7, dtype=torch.int8))
    beliefs.source = SYNTHETIC.to(torch.int8)
    views = images().repeat(2, 1, 1, 1).unflatten(0, (2, 7))
    batch: StepBatch = ViewsOf(views, ("a", "b"), torch.arange(7), beliefs, apart, twin)
    large = batch.groups["b"]._replace(x=nn.functional.pad(batch.groups["b"].x, (4, 4, 4, 4)))
    batch.groups = {**batch.groups, "b": large}
    told = batch.synthetic()
    assert told is not None and [part.tolist() for part in told] == [SYNTHETIC.tolist()] * 2
    found = batch.outputs()
    other = separate_norms(network())
    expected = []
    for group in batch.groups.values():
        with rows_by_source(other, SYNTHETIC):
            expected.append(other(group.x).z)
    torch.testing.assert_close(found.z, torch.cat(expected))
    torch.testing.assert_close(batch.twin_outputs("b").z, passes(twin, [large.x], [SYNTHETIC]).z)


def test_a_network_without_batch_norms() -> None:
    net = network({"kind": "vit_small_images", "image_size": 8, "dim": 4, "depth": 1, "heads": 1})
    net.projector = nn.Identity()  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"model\.norms_by_source=false"):
        separate_norms(net)


def test_a_run_with_norms_apart_is_measured_by_the_real_ones(tmp_path: Path) -> None:
    text = beside_synthetic(recipe([stage(0, "label", "uniform", "cross_entropy")]))
    text["model"] = {**text["model"], "norms_by_source": True}
    result = run(parse_recipe(text), folder=tmp_path / "run")
    opened = open_run(result.folder).network
    norms: list[Any] = [part for part in opened.modules() if isinstance(part, SourceNorm)]
    assert norms
    for part in norms:
        assert int(part.real.num_batches_tracked) > 0
        assert int(part.synthetic.num_batches_tracked) > 0
        assert not torch.allclose(part.real.running_mean, part.synthetic.running_mean)
