"""Synthetic samples are made, checked and sifted by the first process of a run, for all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import distributed

from data_tools.facts_cache import cache_folder
from data_tools.mapped_array import ArrayPlace, MappedArray
from data_tools.samples import Subset
from supcon_ext.experiment.launch import from_first
from supcon_ext.objectives.contrastive import DIAGNOSED
from supcon_ext.synthetic.sources.generated import Generated
from supcon_ext.tracking.results import read_metrics
from supcon_ext.training.checkpoint import LAST, load_checkpoint
from tests.experiment import members
from tests.experiment.launched import torchrun
from tests.experiment.parallel import recipe
from tests.experiment.test_every_member_resumes import chain
from tests.several import in_processes
from tests.synthetic import toy
from tests.synthetic.remembering import SEEN

PLUGINS = ["tests.experiment.parallel", "tests.experiment.members", "tests.synthetic.remembering"]
SOURCES = [
    {"kind": "generated", "generator": "remembering", "per_class": 40},
    {"kind": "few_made", "filters": ["remembers"]},
]


def run(folder: Path, processes: int, sources: Any) -> list[Any]:
    folder.mkdir()
    made = recipe(devices=processes)
    made["plugins"] = PLUGINS
    made["data"] |= {"dataset": "few_digits", "validation": 0, "synthetic": sources}
    made["evaluation"] = ["classifier"]
    made["tracking"]["folder"] = "runs"
    (stage,) = made["stages"]
    stage |= {"batch_size": 40, "sampler": {"kind": "with_synthetic", "share": 0.5}}
    stage["objective"] = [{"contrastive": {"selector": "synthetic_positives"}}, "cross_entropy"]
    (folder / "mine.yaml").write_text(yaml.safe_dump(made))
    return torchrun(processes, "run", "mine.yaml", cwd=folder, drawing=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.long
def test_two_processes_have_the_samples_and_the_numbers_of_one(tmp_path: Path) -> None:
    runs = {}
    for count in (1, 2):
        folder = tmp_path / f"of{count}"
        for process in run(folder, count, SOURCES):
            assert process.wait() == 0, process.stderr
        (runs[count],) = (folder / "runs").iterdir()
        for file in (tmp_path / "cache").rglob("*.npz"):
            file.unlink()  # else the second run would take what the first has made
        seen = [json.loads(line) for line in (folder / SEEN).read_text().splitlines()]
        assert [(rank, what == "filter") for rank, what in seen] == [("0", False), ("0", True)]
    one, two = (read_metrics(runs[count]) for count in (1, 2))
    assert one.keys() == two.keys()
    for name in one:
        of_one_process = name.rpartition("/")[2] in DIAGNOSED
        if not name.startswith("time/") and not of_one_process:
            values = [value for _, value in one[name]]
            assert [value for _, value in two[name]] == pytest.approx(values, rel=1e-4, abs=1e-4)
    states = [load_checkpoint(runs[count] / "checkpoints" / LAST)["network"] for count in (1, 2)]
    for name, value in states[0].items():
        assert (states[1][name] - value).abs().max() < 1e-5, name
    for folder in runs.values():
        (_, sifted) = json.loads((folder / "synthetic-report.json").read_text())["sources"]
        assert (sifted["filters"]["given"], sifted["filters"]["kept"]) == (27, 14)


def test_a_refusal_ends_every_process_and_is_told_once(tmp_path: Path) -> None:
    processes = run(tmp_path / "wrong", 2, [{"kind": "class_folders", "root": "nowhere"}])
    assert [process.wait() for process in processes] == [2, 2]
    told = [process.stderr for process in processes]
    assert "nowhere" in told[0] and "Traceback" not in told[0] and told[1] == ""


def test_samples_that_cannot_be_sent_are_told_of(tmp_path: Path) -> None:
    processes = run(tmp_path / "wrong", 2, ["not_to_be_sent"])
    assert [process.wait() for process in processes] == [2, 2]
    assert "Expected what can be sent from the first process" in processes[0].stderr


EACH = 200


def made_by_the_first(rank: int, second: str) -> dict[str, Any]:
    """Pictures that the first process makes, and what it sends; the second may lack the file."""
    sent: list[int] = []
    fabric: Any = SimpleNamespace(world_size=2, global_rank=rank)
    send = distributed.broadcast_object_list

    def sending(given: list[Any], **settings: Any) -> None:
        sent.append(sum(len(part.content) for part in given if part is not None))
        send(given, **settings)

    def make() -> Any:
        made = Generated("procedural", per_class=EACH).make(toy.prepared(toy.pictures()), 0)
        return made.take(np.arange(len(made))[::-1])  # as filters take some

    mapped = ArrayPlace.mapped

    def elsewhere(place: ArrayPlace) -> Any:
        if second == "lacks it":
            raise FileNotFoundError(place.path)
        if second == "has it cut":
            raise ValueError("mmap length is greater than file size")
        return np.array(mapped(place)) // 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distributed, "broadcast_object_list", sending)
        if rank == 1 and second != "has it":
            patch.setattr(ArrayPlace, "mapped", elsewhere)
        made = from_first(fabric, make)
    assert isinstance(made.samples, Subset)
    samples = made.samples.samples
    pictures = np.stack([made[place] for place in range(len(made))])
    shared = isinstance(samples, MappedArray) and isinstance(samples.pixels, np.memmap)
    if shared and sys.platform == "linux":
        (file,) = (cache_folder().parent / "generated").glob("*.npz")
        held = [line for line in Path("/proc/self/maps").read_text().splitlines()
                if line.endswith(str(file))]  # fmt: skip
        assert held and all(" r--s " in line for line in held)
    label, nearly = torch.from_numpy(made.label), torch.from_numpy(pictures)
    return {"pictures": nearly, "label": label, "shared": shared, "sent": sent}


@pytest.mark.parametrize("second", ["has it", "lacks it", "has it cut", "has another"])
def test_pictures_of_a_file_are_mapped_not_sent(second: str, tmp_path: Path) -> None:
    first, other = in_processes(made_by_the_first, 2, tmp_path, second)
    assert len(first["pictures"]) == EACH * len(toy.SHAPES)
    assert torch.equal(first["pictures"], other["pictures"])
    assert torch.equal(first["label"], other["label"])
    assert first["shared"] and other["shared"] == (second == "has it")
    size = first["pictures"].numel()
    known = 200 * len(first["label"])  # label, caption, parent, quality and generator of each
    if second == "has it":
        assert len(first["sent"]) == 1
    else:
        assert len(first["sent"]) == 2 and first["sent"][1] > size
    assert first["sent"][0] < known


def test_a_run_goes_on_where_its_pictures_are_damaged_or_gone(tmp_path: Path) -> None:
    text = members.recipe([members.stage(0, "synthetic_positives", "balanced")])
    text["data"]["synthetic"] = [{"kind": "generated", "generator": "transform", "per_class": 9}]

    def kept() -> Path:
        (file,) = (cache_folder().parent / "generated").glob("*.npz")
        return file

    def stops(ends: list[int]) -> Any:
        content = kept().read_bytes()
        middle = len(content) // 2
        kept().write_bytes(content[:middle] + b"damaged" + content[middle + 7 :])
        yield "term", 1
        assert kept().read_bytes() == content
        kept().unlink()
        yield "kill_saved", ends[0]
        assert kept().read_bytes() == content

    assert chain(text, tmp_path, stops) == []
