"""From files to recipes: what extends what, what overrides what, and where each value is from."""

from __future__ import annotations

from pathlib import Path

import pytest

from supcon_ext.recipe import Recipe, RecipeError, load_recipe, parse_recipe, resolve
from supcon_ext.recipe.load import check, load_layers
from supcon_ext.recipe.show import annotated_yaml

BASE = """\
name: base
data:
  noise: {kind: symmetric, rate: 0.4, seed: 7}
  validation: 0.2
stages:
  - name: one
    epochs: 2
    objective: [contrastive]
    optimizer: {lr: 1e-5, kind: sgd}
evaluation: [knn]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def write(path: Path, text: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_defaults_are_filled_in(folder: Path) -> None:
    recipe = load_recipe("base.yaml")
    stage = recipe.stages[0]
    assert (stage.batch_size, stage.drop_last, stage.clip_norm) == (256, True, None)
    assert stage.schedule.kind == "cosine"
    assert [(view.policy.kind, view.count) for view in stage.views] == [("simaugment", 2)]
    assert stage.objective[0].params["temperature"] == 0.1
    assert stage.objective[0].params["selector"].kind == "label"
    assert recipe.model.backbone.kind == "resnet18_small"
    assert recipe.data.groups.model_dump() == {"many_above": 100, "few_below": 20}
    assert stage.optimizer.params["lr"] == 1e-5


def test_default_evaluation(folder: Path) -> None:
    path = write(folder / "a.yaml", BASE.replace("evaluation: [knn]\n", ""))
    assert [spec.kind for spec in load_recipe(path).evaluation] == ["linear_probe", "knn"]


def test_one_group_of_views_or_a_list_is_the_same(folder: Path) -> None:
    one = write(folder / "one.yaml", BASE + "")
    alone = load_recipe(one, ["stages.0.views={policy: weak}"])
    listed = load_recipe(one, ["stages.0.views=[{policy: weak}]"])
    assert alone == listed


def test_merge_order(folder: Path) -> None:
    """Defaults < extends < file < overrides."""
    path = write(
        folder / "child.yaml",
        "extends: base.yaml\nname: child\ndata: {noise: {rate: 0.2}}\nevaluation: [linear_probe]\n",
    )
    recipe = load_recipe(path, ["data.validation=0.3"])
    assert recipe.name == "child"
    assert recipe.data.noise is not None
    assert recipe.data.noise.params["rate"] == 0.2
    assert recipe.data.noise.params["seed"] == 7
    assert recipe.data.validation == 0.3
    assert recipe.data.seed == 0
    assert [spec.kind for spec in recipe.evaluation] == ["linear_probe"]


def test_another_kind_inherits_nothing(folder: Path) -> None:
    path = write(
        folder / "child.yaml", "extends: base.yaml\ndata: {noise: {kind: pair_flip, rate: 0.1}}\n"
    )
    noise = load_recipe(path).data.noise
    assert noise is not None
    assert noise.params["seed"] == 0


def test_null_takes_a_part_away(folder: Path) -> None:
    path = write(folder / "child.yaml", "extends: base.yaml\ndata: {noise: null}\n")
    assert load_recipe(path).data.noise is None


def test_a_chain_of_three_each_relative_to_its_own_file(folder: Path) -> None:
    write(folder / "deep" / "middle.yaml", "extends: ../base.yaml\nseed: 5\nname: middle\n")
    path = write(folder / "top.yaml", "extends: deep/middle.yaml\nname: top\n")
    recipe = load_recipe(path)
    assert (recipe.name, recipe.seed, recipe.data.validation) == ("top", 5, 0.2)
    assert recipe.extends is None


def test_a_cycle_of_two_is_an_error(folder: Path) -> None:
    write(folder / "a.yaml", "name: a\nextends: b.yaml\n")
    write(folder / "b.yaml", "extends: a.yaml\n")
    with pytest.raises(RecipeError, match=r"a\.yaml -> b\.yaml -> a\.yaml") as caught:
        load_recipe("a.yaml")
    assert [(p.file, p.line, p.path) for p in caught.value.problems] == [("b.yaml", 1, "extends")]


def test_problems_name_the_file_they_are_in(folder: Path) -> None:
    write(
        folder / "base.yaml", BASE.replace("rate: 0.4", "rate: 4").replace("name: base", "nam: x")
    )
    path = write(folder / "child.yaml", "extends: base.yaml\nsed: 1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["seed=x"])
    places = [(p.file, p.line, p.path) for p in caught.value.problems]
    assert places == [
        ("base.yaml", 1, "nam"),
        ("base.yaml", 3, "data.noise.rate"),
        ("child.yaml", 2, "sed"),
        ("command line", None, "seed=x"),
    ]


def test_a_missing_file_lists_names_that_are_near(folder: Path) -> None:
    with pytest.raises(RecipeError, match=r"Did you mean\s+`base\.yaml`"):
        load_recipe("bse.yaml")


def test_a_sweep_is_no_recipe(folder: Path) -> None:
    path = write(folder / "s.yaml", "name: s\ngrid: {seed: [0, 1]}\n")
    with pytest.raises(RecipeError, match=r"this is a sweep. Try: supcon sweep s\.yaml"):
        load_recipe(path)


def test_resolved_is_a_fixed_point(folder: Path) -> None:
    path = write(folder / "child.yaml", "extends: base.yaml\nname: child\n")
    recipe = load_recipe(
        path,
        [
            "stages.one.views=[{name: a}, {policy: weak, count: 1}]",
            "data.groups={many: [0], medium: [], few: [1]}",
            "tracking.uri=none",
            'description="two\\nlines: x # y"',
            "model.classifier=cosine",
        ],
    )
    text = "".join(annotated_yaml(recipe, load_layers(path)[0]))
    again = load_recipe(write(folder / "again.yaml", text))
    assert again == recipe
    assert resolve(again) == resolve(recipe)
    assert parse_recipe(resolve(recipe)) == recipe


def test_origins(folder: Path) -> None:
    path = write(
        folder / "child.yaml", "extends: base.yaml\nname: child\ndata: {dataset: digits}\n"
    )
    layers, problems = load_layers(path, ["stages.one.objective.contrastive.weight=2"])
    text = annotated_yaml(check(layers, problems), layers)
    found = dict(
        (left.strip(" -"), right)
        for left, _, right in (line.partition("  #") for line in text.splitlines())
    )
    origin = {key.strip(): value.strip() for key, value in found.items() if value}
    assert origin["name: child"] == "child.yaml:2"
    assert origin["kind: digits"] == "child.yaml:3"
    assert origin["kind: symmetric"] == "extends base.yaml:3"
    assert origin["epochs: 2"] == "extends base.yaml:7"
    assert origin["weight: 2.0"] == "override"
    assert origin["kind: cosine"] == "default"
    assert origin["batch_size: 256"] == "default"


def test_a_recipe_from_python() -> None:
    stage = {
        "name": "one",
        "epochs": 1,
        "objective": ["contrastive"],
        "optimizer": {"kind": "sgd", "lr": 0.1},
    }
    recipe = parse_recipe({"name": "a", "stages": [stage]}, ["stages.one.epochs=2"])
    assert isinstance(recipe, Recipe)
    assert recipe.stages[0].epochs == 2
    with pytest.raises(RecipeError) as caught:
        parse_recipe({"name": "a", "stages": [{**stage, "epochs": "many"}]})
    problem = caught.value.problems[0]
    assert (problem.file, problem.line, problem.path) == ("recipe", None, "stages.0.epochs")
