"""The examples: each is short, runs as a user runs it, and does its work."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fresh import start

EXAMPLES = Path(__file__).parents[1] / "examples"
LOOPS = ("plain_loop", "lightning_module", "huggingface_trainer")


def _run(name: str) -> None:
    sys.path.insert(0, str(EXAMPLES))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


@pytest.mark.long
@pytest.mark.parametrize("name", LOOPS)
def test_an_example_finds_the_wrong_labels(name: str, tmp_path: Path) -> None:
    done = start(_run, name, cwd=tmp_path)
    assert done.wait() == 0, done.stderr
    told = re.search(
        r"test accuracy (\d\.\d+); (\d+) labels doubted, (\d+) of them wrong; (\d+) wrong in all",
        done.stdout,
    )
    assert told, done.stdout
    accuracy, doubted, found, wrong = map(float, told.groups())
    assert accuracy > 0.75 and found / doubted > 0.85 and found / wrong > 0.85
    assert list(tmp_path.iterdir()) == []


SHORT = [path.stem for path in sorted(EXAMPLES.glob("*.py")) if path.stem != "efficientnet_lite"]
PRINTED = {
    "custom_selector": (r"test accuracy (\d\.\d+)", 2, 0.6),
    "custom_weighting": (r"balanced accuracy (\d\.\d+)", 3, 0.6),
    "frozen_vectors": (r"test accuracy (\d\.\d+)", 2, 0.8),
    "label_issues": (r"(\d\d\.\d)% of what is suggested", 1, 90),
}


@pytest.mark.parametrize("name", SHORT)
def test_an_example_is_short_and_tested(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 80
    assert name in {*LOOPS, *PRINTED}


@pytest.mark.long
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_with_recipes_prints_good_figures(name: str, tmp_path: Path) -> None:
    done = start(_run, name, cwd=tmp_path)
    assert done.wait(280) == 0, done.stderr
    pattern, count, least = PRINTED[name]
    figures = [float(found) for found in re.findall(pattern, done.stdout)]
    assert len(figures) == count and min(figures) > least, done.stdout
    assert list(tmp_path.iterdir()) == []


def _saved_by_the_trainer(folder: str) -> None:
    """Train two epochs with checkpoints, and go on from the first one: the same in the end."""
    sys.path.insert(0, str(EXAMPLES))
    import huggingface_trainer as example
    from transformers import Trainer, TrainingArguments

    x, _, given = example.noisy_digits()
    samples = [{"x": x[place], "index": place} for place in range(256)]

    def trainer() -> Any:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=2,
            per_device_train_batch_size=64,
            use_cpu=True,
            save_strategy="epoch",
            report_to=[],
            disable_tqdm=True,
        )
        torch.manual_seed(0)
        model = example.Selective(given[:256])
        look = [example.Believe(x[:256])]
        return Trainer(model, arguments, train_dataset=samples, callbacks=look)

    whole, later = trainer(), trainer()
    whole.train()
    later.train(resume_from_checkpoint=f"{folder}/checkpoint-4")
    ends = whole.model.state_dict(), later.model.state_dict()
    assert ends[0].keys() == ends[1].keys() and len(ends[0]) > 10
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name
    assert later.model.believed.epoch == 1


def test_the_trainers_checkpoints_hold_what_is_believed(tmp_path: Path) -> None:
    done = start(_saved_by_the_trainer, str(tmp_path / "saved"), cwd=tmp_path)
    assert done.wait() == 0, done.stderr
