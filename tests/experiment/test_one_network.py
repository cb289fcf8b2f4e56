"""What several processes evaluate, save and print is one network and one voice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from data_tools.registry import family
from supcon_ext.experiment import as_launched
from supcon_ext.models.network import build_network
from supcon_ext.models.sync_batch_norm import synchronised
from supcon_ext.recipe import parse_recipe
from supcon_ext.recipe.families import FAMILIES
from supcon_ext.tracking.results import read_results
from supcon_ext.training.bank import BATCH, embed
from supcon_ext.training.checkpoint import load_checkpoint
from supcon_ext.training.one_network import agree
from tests.experiment.launched import SMALL, environment, together, torchrun
from tests.fresh import supcon

SIZES = (1, 5, BATCH, BATCH + 1, 2 * BATCH + 3)


class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Noise, by position."""

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        made = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(index))
        return made, index


def network() -> nn.Module:
    from supcon_ext.models.backbones.conv4 import conv4

    return build_network(lambda channels: conv4(channels, width=8), 1, 10, seed=0)


def shaken(module: nn.Module, rank: int) -> None:
    """Give a process statistics of its own, as training does."""
    for number, buffer in enumerate(module.buffers()):
        drawn = torch.rand(
            buffer.shape, generator=torch.Generator().manual_seed(97 * rank + number)
        )
        buffer.copy_((drawn * 3).to(buffer.dtype))


def embeds(folder: str, world: int) -> None:
    rank = torch.distributed.get_rank()
    made = network()
    shaken(made, rank)

    def loader_of(positions: torch.Tensor) -> Any:
        part: Any = torch.utils.data.Subset(Images(), positions.tolist())
        return torch.utils.data.DataLoader(part, BATCH)

    for count in SIZES:
        outputs = embed(made, count, loader_of, torch.device("cpu"))  # type: ignore[arg-type]
        torch.save(
            (outputs.features, outputs.z, outputs.logits),
            Path(folder, f"{world}-{rank}-{count}.pt"),
        )


def test_any_number_of_processes_evaluates_to_the_same_bits(tmp_path: Path) -> None:
    for world in (1, 2, 3):
        together(world, embeds, str(tmp_path), world)
    for count in SIZES:
        alone = torch.load(tmp_path / f"1-0-{count}.pt", weights_only=True)
        assert all(len(part) == count for part in alone)
        for world, rank in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
            shared = torch.load(tmp_path / f"{world}-{rank}-{count}.pt", weights_only=True)
            assert all(torch.equal(a, b) for a, b in zip(shared, alone, strict=True)), count


class Buffers(nn.Module):
    """One buffer of each kind that a part may keep."""

    def __init__(self) -> None:
        super().__init__()
        for dtype in (torch.float32, torch.float64, torch.int64, torch.int8, torch.bool):
            for shape in ((), (3,), (0,), (2, 2)):
                name = f"{dtype}_{shape}".replace(".", "_")
                self.register_buffer(name, torch.zeros(shape, dtype=dtype))


def agrees(folder: str) -> None:
    rank = torch.distributed.get_rank()
    made = Buffers()
    shaken(made, rank)
    agree(made, None)
    torch.save(made.state_dict(), Path(folder, f"{rank}.pt"))


def test_buffers_of_every_kind_are_the_first_processs(tmp_path: Path) -> None:
    together(2, agrees, str(tmp_path))
    expected = Buffers()
    shaken(expected, 0)
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == expected.state_dict().keys()
        for name, value in expected.state_dict().items():
            assert torch.equal(found[name], value), name


def check_one_network(folder: Path) -> None:
    results = read_results(folder)
    assert results["best_epoch"] == results["epochs"]  # so that both are of one moment
    assert results["last"] == results["best"]
    checkpoints = [load_checkpoint(folder / "checkpoints" / f"{n}.pt") for n in ("last", "best")]
    last, best = (checkpoint["network"] for checkpoint in checkpoints)
    assert all(torch.equal(value, best[name]) for name, value in last.items())


LINES = ("small (seed 0)", "epoch 1/", "epoch 2/", "run     ", "classifier ")


def test_torchrun_makes_one_network_and_says_each_line_once(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    tuned = "{kind: fine_tune, epochs: 1, lr: 0.001}"
    evaluation = f"evaluation=[classifier, knn, {tuned}]"
    started = torchrun(2, "run", "small.yaml", evaluation, cwd=tmp_path)
    assert [process.wait() for process in started] == [0, 0], started[0].stderr
    (folder,) = (tmp_path / "runs").iterdir()
    check_one_network(folder)
    said = [process.stdout + process.stderr for process in started]
    assert said[1] == ""
    for line in LINES[:4]:
        assert said[0].count(line) == 1, line
    by = ("--by", "knn", "--by", tuned)  # in one process now
    alone = supcon("evaluate", str(folder), *by, cwd=tmp_path, env={"OMP_NUM_THREADS": "1"})
    assert alone.wait() == 0, alone.stderr
    found = read_results(folder / "evaluations" / "own")["last"]["test"]
    assert found == {name: read_results(folder)["last"]["test"][name] for name in found}
    assert set(found) == {"knn", "fine_tune"}


@pytest.mark.long
@pytest.mark.parametrize("where", ["0", "1", "all"])
def test_an_error_in_one_process_ends_all_with_one_message(tmp_path: Path, where: str) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    override = f"model.backbone={{kind: failing, where: '{where}'}}"
    started = torchrun(2, "run", "small.yaml", override, "model.ema=null", cwd=tmp_path)
    assert all(process.wait() for process in started)
    said = "".join(process.stderr for process in started)
    assert said.count("Failed: ") == 1
    assert "Failed: RuntimeError: the part broke" in said


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["compute.devices=3"], "compute.devices=2"),
        (["compute.nodes=2"], "compute.nodes=1"),
        (["sed=1"], "Did you mean `seed`?"),
        (["tracking.uri=mlruns"], "the folder mlruns"),
    ],
)
def test_a_mistake_is_said_once(tmp_path: Path, overrides: list[str], words: str) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    started = torchrun(2, "run", "small.yaml", *overrides, cwd=tmp_path)
    assert [process.wait() for process in started] == [2, 2]
    assert words in started[0].stderr and started[1].stderr == ""
    assert not (tmp_path / "runs").exists()


def launched(compute: Mapping[str, Any], local: int, nodes: int) -> Any:
    recipe = {
        "name": "x",
        "data": {"dataset": "digits"},
        "model": {"backbone": "conv4"},
        "stages": [{"name": "a", "epochs": 1, "objective": ["cross_entropy"]}],
        "compute": dict(compute),
    }
    told = environment(0, local * nodes, 1) | {"LOCAL_WORLD_SIZE": str(local)}
    return as_launched(parse_recipe(recipe), told).compute


@pytest.mark.parametrize("compute", [{}, {"devices": "auto"}, {"devices": 2, "nodes": 3}])
def test_the_launchers_world_is_taken(compute: dict[str, Any]) -> None:
    found = launched(compute, 2, 3)
    assert (found.devices, found.nodes) == (2, 3)


@pytest.mark.parametrize("compute", [{"devices": 1}, {"devices": 4}, {"nodes": 1}, {"nodes": 2}])
def test_another_world_than_the_launchers_is_refused(compute: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^Expected compute\.\w+=\d.* but the recipe names \d"):
        launched(compute, 2, 3)


for _module in FAMILIES.values():
    __import__(_module)
BACKBONES = [
    entry.name
    for entry in family("backbone")
    if entry.target.__module__.startswith("supcon_ext.")  # not those of other tests
]
EXTRA = {"timm": {"name": "resnet10t"}}


@pytest.mark.parametrize("name", BACKBONES)
def test_every_batch_norm_is_exchanged_and_computes_the_same(name: str) -> None:
    entry = family("backbone").get(name)
    vector = entry.takes == {"vector"}

    def made(channels: int) -> Any:
        return entry.target(channels, **EXTRA.get(name, {}))

    own = build_network(made, 3, 4, seed=0)
    exchanged = build_network(made, 3, 4, seed=0)
    norms = [m for m in own.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    exchanged = synchronised(exchanged, "cuda")
    for module in exchanged.modules():
        plain = isinstance(module, nn.modules.batchnorm._BatchNorm)
        assert not plain or isinstance(module, nn.SyncBatchNorm)
    assert sum(isinstance(m, nn.SyncBatchNorm) for m in exchanged.modules()) == len(norms)
    assert own.state_dict().keys() == exchanged.state_dict().keys()
    shape = (6, 3) if vector else (2, 3, 32, 32)
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for mode in (True, False):
        own.train(mode)
        exchanged.train(mode)
        one, other = own(images), exchanged(images)
        for part in ("features", "z", "logits"):
            torch.testing.assert_close(getattr(other, part), getattr(one, part))


def test_synchronised_norms_on_cpus_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    started = torchrun(2, "run", "small.yaml", "compute.sync_batch_norm=true", cwd=tmp_path)
    assert all(process.wait() for process in started)
    said = "".join(process.stderr for process in started)
    assert said.count("Expected GPUs for compute.sync_batch_norm") == 1


@pytest.mark.long
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("way", ["devices", "torchrun"])
def test_last_and_best_are_one_network(tmp_path: Path, way: str, world: int) -> None:
    """As a user calls it: our own command, and the launcher's."""
    run = ["-m", "supcon_ext", "run", "bcl/digits", "stages.train.epochs=2", "tracking.uri=none"]
    run += ["compute.accelerator=cpu", "data.dataset.size=8"]
    run.append("model.backbone={kind: conv4, width: 4}")
    if way == "devices":
        run.append(f"compute.devices={world}")
    else:
        run[:0] = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
    done = subprocess.run(
        [sys.executable, *run], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    results = read_results(folder)
    if results["best_epoch"] == results["epochs"]:
        check_one_network(folder)
    assert done.stdout.count("run     ") == 1 and done.stderr.count("epoch 2/2") == 1
