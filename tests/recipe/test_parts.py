"""Parts of one's own: plugins, terms with any key, and checks that a part keeps itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field

from data_tools.registry import family
from supcon_ext.recipe import RecipeError, load_recipe
from supcon_ext.recipe.families import load_families

PLUGIN = '''\
from supcon_ext.objectives.base import term


@term("plugged")
class Plugged:
    """A term from a plugin."""

    def __init__(self, samples: str = "all", weight: float = 1.0) -> None:
        self.samples = samples
'''


@pytest.fixture(autouse=True)
def registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test registers is gone afterwards."""
    load_families()
    for name in ("term", "noise"):
        registry = family(name)
        registry.names()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "plugin_of_a_test.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "plugin_of_a_test"
    sys.modules.pop("plugin_of_a_test", None)


def write(folder: Path, objective: str, rest: str = "") -> Path:
    path = folder / "a.yaml"
    path.write_text(
        "name: a\n"
        "stages:\n"
        "  - name: one\n"
        "    epochs: 2\n"
        "    batch_size: 64\n"
        f"    objective: {objective}\n"
        "    optimizer: {kind: sgd, lr: 0.1}\n"
        f"{rest}"
    )
    return path


def test_a_plugin(tmp_path: Path, plugin: str) -> None:
    path = write(tmp_path, "[{plugged: {samples: confident}}]", f"plugins: [{plugin}]\n")
    (spec,) = load_recipe(path).stages[0].objective
    assert (spec.kind, spec.params["samples"]) == ("plugged", "confident")
    assert spec.build().samples == "confident"


def test_without_the_plugin_its_term_is_unknown(tmp_path: Path, plugin: str) -> None:
    with pytest.raises(RecipeError, match="Expected the name of a term, but got `plugged`"):
        load_recipe(write(tmp_path, "[plugged]"))


def test_a_part_by_its_dotted_path(tmp_path: Path, plugin: str) -> None:
    (spec,) = (
        load_recipe(write(tmp_path, f"[{{{plugin}.Plugged: {{samples: a}}}}]")).stages[0].objective
    )
    assert spec.build().samples == "a"
    with pytest.raises(RecipeError, match="cannot import term"):
        load_recipe(write(tmp_path, f"[{plugin}.Plucked]"))


class Checked:
    """A term whose check looks at its stage and at the recipe."""

    def __init__(
        self, size: Annotated[int, Field(ge=1)] = 1000, weight: float = 1.0, inner: Any = None
    ) -> None:
        self.size = size

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> Iterator[tuple[tuple[str, ...], str]]:
        if params["size"] < stage["batch_size"]:
            yield ("size",), f"Expected at least {stage['batch_size']}, but got {params['size']}."
        if recipe["model"].get("ema") == 0.5:
            yield (), "Expected another `model.ema` than 0.5."


def checked_noise(labels: Any, *, rate: float) -> None:
    """Noise whose check looks at the validation split."""


def noise_problems(
    params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[tuple[tuple[str, ...], str]]:
    assert stage == {}
    if params["rate"] > recipe["data"]["validation"]:
        return [(("rate",), "Expected at most the share of the validation split.")]
    return []


@pytest.fixture
def checked(registries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    family("term")("checked")(Checked)
    monkeypatch.setattr(checked_noise, "problems", noise_problems, raising=False)
    family("noise")("checked")(checked_noise)


def told(path: Path, *overrides: str) -> list[tuple[int | None, str]]:
    try:
        load_recipe(path, overrides)
    except RecipeError as error:
        return [(problem.line, problem.path) for problem in error.problems]
    return []


@pytest.mark.usefixtures("checked")
class TestChecks:
    def test_nothing_is_wrong(self, tmp_path: Path) -> None:
        assert told(write(tmp_path, "[{checked: {size: 64}}]")) == []

    def test_a_check_is_told_at_its_key(self, tmp_path: Path) -> None:
        place = (6, "stages.0.objective.0.checked.size")
        assert told(write(tmp_path, "[{checked: {size: 63}}]")) == [place]

    def test_a_default_is_checked_too(self, tmp_path: Path) -> None:
        place = (6, "stages.0.objective.0.checked.size")
        assert told(write(tmp_path, "[checked]"), "stages.0.batch_size=1001") == [place]

    def test_checks_are_made_beside_other_problems(self, tmp_path: Path) -> None:
        path = write(
            tmp_path, "[{checked: {size: 63}}, contrastiv]", "sead: 1\nmodel: {ema: 0.5}\n"
        )
        assert sorted(told(path)) == [
            (6, "stages.0.objective.0.checked"),
            (6, "stages.0.objective.0.checked.size"),
            (6, "stages.0.objective.1"),
            (8, "sead"),
        ]

    @pytest.mark.parametrize(
        "wrong", ["batch_size: 12x", "batch_sise: 12"], ids=["wrong", "misspelt"]
    )
    def test_nothing_is_concluded_from_a_value_that_is_wrong(
        self, tmp_path: Path, wrong: str
    ) -> None:
        path = write(tmp_path, "[{checked: {size: 63}}]", "model: {ema: 0.5}\n")
        path.write_text(path.read_text().replace("batch_size: 64", wrong))
        assert [place for _, place in told(path)] == [f"stages.0.{wrong.partition(':')[0]}"]

    def test_what_was_found_before_a_wrong_value_stands(self, tmp_path: Path) -> None:
        path = write(tmp_path, "[{checked: {size: 63}}]", "model: {ema: 2}\n")
        assert told(path) == [(6, "stages.0.objective.0.checked.size"), (8, "model.ema")]

    def test_a_function_may_have_a_check(self, tmp_path: Path) -> None:
        path = write(tmp_path, "[checked]", "data: {noise: {kind: checked, rate: 0.3}}\n")
        assert told(path) == [(8, "data.noise.rate")]
        assert told(path, "data.validation=0.4") == []
        assert told(path, "data.validation=x") == [(None, "data.validation=x")]
