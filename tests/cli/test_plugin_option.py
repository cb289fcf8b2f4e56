"""Every command that takes a part by name takes the plug-in that registers it, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from data_tools.vector_file import read_vectors
from supcon_ext.cli import main
from tests.fresh import supcon
from tests.synthetic.made_sets import CLASSES, real_folder

BY_OPTION = ("components", "schema", "embed", "filter", "generate", "evaluate")
"""Commands that take or list parts by their names."""
BY_RECIPE = ("run", "resume", "sweep", "audit", "show", "validate", "predict", "export", "report")
"""Commands that take them from a recipe, or a run's, which names its plug-ins itself."""
NO_PARTS = (
    "compare",
    "completion",
    "recipes",
    "recipes copy",
    "runs",
    "runs remove",
    "sync",
    "doctor",
)

STRANGERS = '''
import numpy as np
import torch

from supcon_ext import Backbone, FilterVerdict, SyntheticFilter, backbone, policy, synthetic_filter
from supcon_ext.synthetic.generator import Generator, generator


@generator("strangers_generator")
class StrangersGenerator(Generator):
    """Grey noise."""

    def _fit(self, real, trusted, seed, progress):
        pass

    def _make(self, asked, seed):
        draws = [np.random.default_rng([each.what, each.k, seed]) for each in asked]
        return [draw.integers(0, 256, (16, 16, 3), np.uint8) for draw in draws]


@synthetic_filter("strangers_filter")
class StrangersFilter(SyntheticFilter):
    """Keeps the first of all."""

    def judge(self, data):
        first = np.arange(len(data.synthetic)) == 0
        return FilterVerdict.of(first.astype(float), {"it is not the first": ~first})


@policy("strangers_policy")
def strangers_policy(context):
    """White."""

    def view(x, key):
        return torch.ones(context.channels, context.size, context.size)

    return view


@backbone("strangers_means")
def strangers_means(channels: int) -> Backbone:
    """Means of the channels."""
    layers = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return Backbone(torch.nn.Sequential(*layers), channels)
'''


def commands(group: click.Group = main, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the command line by its words."""
    for name, command in group.commands.items():
        yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


def test_every_command_that_takes_parts_by_name_has_the_option() -> None:
    found = dict(commands())
    assert sorted(found) == sorted([*BY_OPTION, *BY_RECIPE, *NO_PARTS]), (
        "say of the new command where its parts come from"
    )
    having = {
        name
        for name, command in found.items()
        if any("--plugin" in parameter.opts for parameter in command.params)
    }
    assert having == set(BY_OPTION)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plug-in beside a few pictures of two classes."""
    top = tmp_path_factory.mktemp("plugin")
    real_folder(top / "real", each=3)
    (top / "strangers.py").write_text(STRANGERS)
    return top


def called(folder: Path, *words: str) -> str:
    """What a command prints in a fresh process that knows the plug-in by the option alone."""
    if words[0] not in ("components", "schema"):
        refused = supcon(*words, cwd=folder)
        assert refused.wait() == 2 and "strangers_" in refused.stderr
    done = supcon(*words, "--plugin", "strangers", cwd=folder)
    assert done.wait() == 0, done.stderr
    assert f"plug-in strangers: {folder / 'strangers.py'}" in done.stderr
    return done.stdout


def test_a_strangers_parts_are_told_of(folder: Path) -> None:
    listed = {each["name"] for each in json.loads(called(folder, "components", "--json"))}
    assert listed >= {"strangers_generator", "strangers_filter", "strangers_policy"}
    assert json.loads(called(folder, "schema"))["$defs"].keys() >= {
        "generator.strangers_generator",
        "synthetic_filter.strangers_filter",
        "policy.strangers_policy",
    }


def test_a_strangers_generator_and_filter_are_used(folder: Path) -> None:
    words = ("strangers_generator", "-o", "made", "--data", "real", "--per-caption", "3")
    assert "6 images" in called(folder, "generate", *words)
    rows = [json.loads(line) for line in (folder / "made/manifest.jsonl").read_text().splitlines()]
    assert {(row["class"], row["k"]) for row in rows} == set(product(("cat", "dog"), range(3)))
    assert {row["generator"] for row in rows} == {"strangers_generator"}
    first = np.asarray(Image.open(folder / "made" / rows[0]["path"]))
    drawn = np.random.default_rng([CLASSES.index(rows[0]["class"]), rows[0]["k"], 0])
    np.testing.assert_array_equal(first, drawn.integers(0, 256, (16, 16, 3), np.uint8))
    words = ("filter", "made/manifest.jsonl", "--by", "strangers_filter", "--real", "real")
    assert "1 of 6 images" in called(folder, *words, "-o", "good.jsonl")


def test_a_strangers_policy_is_used(folder: Path) -> None:
    words = ("strangers.strangers_means", "real", "-o", "v.npz", "--policy", "strangers_policy")
    assert "wrote v.npz: 12 x 3" in called(folder, "embed", *words)
    assert (read_vectors(folder / "v.npz").vectors == 1).all()


@pytest.mark.parametrize("command", BY_OPTION)
def test_a_plug_in_that_cannot_be_imported(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--plugin", "no_such_module"])
    assert result.exit_code == 2 and "no_such_module" in result.stderr.splitlines()[-1]
