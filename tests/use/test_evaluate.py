"""``supcon evaluate``: a run's measures on other data, kept with the run and in MLflow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import yaml
from click.testing import CliRunner, Result

import supcon_ext
from supcon_ext import experiment
from supcon_ext.cli import main
from supcon_ext.experiment.manifest import unfinished
from supcon_ext.recipe.load import load_recipe
from supcon_ext.tracking.results import read_metrics
from tests.audit.coloured import paint, recipe
from tests.fresh import supcon
from tests.use.test_load import exported


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on coloured pictures with a classifier, tracked in a database beside it."""
    place = tmp_path_factory.mktemp("evaluated")
    paint(place / "images", per_class=12)
    dataset = {"kind": "image_folder", "root": "images"}
    written = recipe(
        dataset,
        evaluation=["classifier", "linear_probe", "knn"],
        tracking={"uri": "sqlite:///mlflow.db"},
    )
    written["evaluation"] += [
        {"kind": "linear_probe", "solver": "sgd", "epochs": 2},
        {"kind": "fine_tune", "epochs": 2, "batch_size": 16},
    ]
    (place / "mine.yaml").write_text(yaml.safe_dump(written))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr("supcon_ext.experiment.report._draw", lambda *a: [])
        patch.setattr("supcon_ext.experiment.report.export_encoder", exported)
        experiment.run(load_recipe("mine.yaml", ["stages.one.epochs=2"]), folder=place / "run")
    return place


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to be added to."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / "run/mirror.json").read_text()
    (tmp_path / "run/mirror.json").write_text(text.replace(str(made), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("supcon_ext.use.evaluate.draw_reports", lambda *a: [])
    return tmp_path


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", "run", *arguments, "--device", "cpu"])


def found(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads(Path(f"run/evaluations/{name}/results.json").read_text())
    return results


def test_on_its_own_data_the_numbers_are_its_own(folder: Path) -> None:
    told = evaluate()
    assert told.exit_code == 0, (told.output, told.exception)
    own = json.loads(Path("run/results.json").read_text())
    usual = ("classifier", "linear_probe", "knn")
    expected = {split: {n: all_[n] for n in usual} for split, all_ in own["last"].items()}
    assert found("own")["last"] == expected
    assert found("own")["fingerprint"] == own["fingerprint"]
    for name in ("classifier", "linear_probe", "knn"):
        table = Path(f"tables/{name}_per_class.csv")
        kept = (Path("run/evaluations/own") / table).read_text()
        assert kept == (Path("run") / table).read_text()
        assert name in told.stdout
    assert "run/evaluations/own" in told.stdout


def test_what_needs_the_encoder_finds_the_same_as_in_the_run(folder: Path) -> None:
    """The probe by steps, on augmented views, and the copy that is trained."""
    own = json.loads(Path("run/results.json").read_text())["last"]["test"]
    before = Path("run/model.safetensors").read_bytes()
    sgd, tune = (
        "{kind: linear_probe, solver: sgd, epochs: 2}",
        "{kind: fine_tune, epochs: 2, batch_size: 16}",
    )
    for name in ("own", "own.2"):
        told = evaluate("--by", sgd, "--by", tune)
        assert told.exit_code == 0, (told.output, told.exception)
        last = found(name)["last"]["test"]
        assert (
            last["linear_probe"] == own["linear_probe_2"] and last["fine_tune"] == own["fine_tune"]
        )
    assert Path("run/model.safetensors").read_bytes() == before
    paint(folder / "other", per_class=12, wrong=0)
    (folder / "other/red").rename(folder / "other/crimson")
    told = evaluate("--data", "other", "--by", "{kind: fine_tune, epochs: 30, lr: 0.001}")
    assert told.exit_code == 0 and "fine_tune" in told.stdout, told.output
    assert found("other")["last"]["test"]["fine_tune"]["accuracy"] > 0.8


def untold(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("then", [["evaluate", "run", "--by", "classifier"], ["sync", "run"]])
def test_one_that_was_stopped_before_it_told_is_told_of_later(
    then: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supcon_ext.use.evaluate.tell_of_evaluations", untold)
        assert evaluate("--by", "knn").exit_code == 130
    value = found("own")["last"]["test"]["knn"]["accuracy"]
    (folder / "run/evaluations/notes").mkdir()  # somebody's own
    key = "evaluations/own/test/knn/accuracy"
    assert key not in read_metrics(Path("run"))
    told = CliRunner().invoke(main, then)
    assert told.exit_code == 0, told.output
    steps = json.loads(Path("run/results.json").read_text())["steps"]
    assert read_metrics(Path("run"))[key] == [(steps, value)]
    assert ("evaluations/own.2/test/classifier/accuracy" in read_metrics(Path("run"))) == (
        then[0] == "evaluate"
    )
    before = Path("run/journal.jsonl").read_bytes()
    assert CliRunner().invoke(main, ["sync", "run"]).exit_code == 0
    assert Path("run/journal.jsonl").read_bytes() == before
    assert unfinished(Path("run"), load_recipe("run/recipe.yaml")) is None


def test_a_run_whose_journal_is_gone_is_measured(folder: Path) -> None:
    Path("run/journal.jsonl").unlink()
    told = evaluate("--by", "knn")
    assert told.exit_code == 0, told.output
    value = found("own")["last"]["test"]["knn"]["accuracy"]
    assert [each for _, each in read_metrics(Path("run"))["evaluations/own/test/knn/accuracy"]] == [
        value
    ]


def test_what_is_found_is_in_the_journal_and_in_mlflow(folder: Path) -> None:
    import mlflow

    before = len(read_metrics(Path("run")))
    assert evaluate("--by", "knn").exit_code == 0
    metrics = read_metrics(Path("run"))
    value = found("own")["last"]["test"]["knn"]["accuracy"]
    steps = json.loads(Path("run/results.json").read_text())["steps"]
    assert metrics["evaluations/own/test/knn/accuracy"] == [(steps, value)]
    assert len(metrics) > before
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment_id,) = [
        e.experiment_id for e in client.search_experiments(filter_string="name = 'supcon_ext'")
    ]
    (run,) = client.search_runs([experiment_id])
    assert run.data.metrics["evaluations/own/test/knn/accuracy"] == value
    assert run.info.status == "FINISHED"
    listed = {each.path for each in client.list_artifacts(run.info.run_id, "evaluations/own")}
    assert "evaluations/own/results.json" in listed
    assert unfinished(Path("run"), load_recipe("run/recipe.yaml")) is None


def test_other_classes_are_measured_by_what_is_fitted(folder: Path) -> None:
    paint(folder / "other", per_class=15, wrong=0)
    (folder / "other/red").rename(folder / "other/crimson")
    told = evaluate("--data", "other")
    assert told.exit_code == 0, told.output
    results = found("other")
    assert set(results["last"]["test"]) == {"linear_probe", "knn"}
    assert results["last"]["test"]["linear_probe"]["accuracy"] > 0.6
    rows = pandas.read_csv("run/evaluations/other/tables/knn_per_class.csv")
    assert "crimson" in rows.astype(str).to_string()
    told = evaluate("--data", "other", "--by", "classifier")
    assert told.exit_code == 2 and "crimson" in told.stderr
    assert not Path("run/evaluations/other.2").exists()


def test_the_same_classes_are_measured_as_predicted(folder: Path) -> None:
    paint(folder / "more", per_class=15, wrong=0)
    shutil.rmtree(folder / "more/green")  # some of the classes
    assert evaluate("--data", "more", "--by", "classifier").exit_code == 0
    value = found("more")["last"]["test"]["classifier"]["accuracy"]
    from data_tools.datasets.image_folder import image_folder

    test = image_folder(root="more").test
    assert test is not None
    encoder = supcon_ext.load("run", device="cpu")
    kept = [encoder.classes.index(name) for name in test.classes]
    guess = encoder.predict_proba(test)[:, kept].argmax(1)
    assert np.isclose(value, (guess == test.label).mean())


def test_data_without_a_test_are_parted_and_it_is_said(folder: Path) -> None:
    told = evaluate("--data", "images", "--by", "knn")
    said = "no test split: 7 samples, 20% of each class, are set aside for it (seed 0)"
    assert told.exit_code == 0 and said in told.stderr, told.stderr
    assert found("images")["held_out"] == {"count": 7, "share": 0.2, "seed": 0}
    own = json.loads(Path("run/results.json").read_text())["last"]["test"]["knn"]["accuracy"]
    # the split that the run's own data set makes: nothing of it was trained on
    assert found("images")["last"]["test"]["knn"]["accuracy"] == own
    assert evaluate("--data", "images", "--by", "knn", "--test", "0.5").exit_code == 0
    assert found("images.2")["held_out"] == {"count": 18, "share": 0.5, "seed": 0}
    assert evaluate("--data", "mine.yaml", "--by", "knn").exit_code == 0
    assert found("mine")["held_out"] is None  # by the recipe's own share
    for wrong in (("--data", "mine.yaml"), ()):
        told = evaluate(*wrong, "--by", "knn", "--test", "0.5")
        assert told.exit_code == 2 and "--test 0.5" in told.stderr
    rows = ["path,label,split", *(f"{path},{path.parent.name},val" for path in paths_of("images"))]
    rows[1:20] = [row.replace(",val", ",train") for row in rows[1:20]]
    Path("list.csv").write_text("\n".join(rows) + "\n")
    assert evaluate("--data", "list.csv", "--by", "knn").exit_code == 0
    assert found("list")["held_out"] is None and set(found("list")["last"]) == {"validation"}


def paths_of(root: str) -> list[Path]:
    """All pictures, classes in turn."""
    return sorted(Path(root).rglob("*.png"), key=lambda path: path.name.split("-")[1])


def test_each_has_a_place_of_its_own(folder: Path) -> None:
    (folder / "data.yaml").write_text((folder / "mine.yaml").read_text())
    for _ in range(2):
        assert evaluate("--data", "data.yaml", "--by", "knn").exit_code == 0
    by = "{kind: knn, k: 3}"
    assert evaluate("--data", "data.yaml", "--by", by).exit_code == 0
    names = {place.name for place in Path("run/evaluations").iterdir()}
    assert names == {"data", "data.2", "data.3"}
    assert found("data") | {"time": 0} == found("data.2") | {"time": 0}
    assert found("data.3")["evaluators"][0]["k"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--data", "nothing"), "nothing"),
        (("--data", "empty"), "empty"),
        (("--by", "nonsense"), "nonsense"),
        (("--by", "{kind: knn, k: 0}"), "k"),
        (("--by", "{kind"), "mapping"),
        (("--data", "deep"), "channels"),
        (("--data", "digits.yaml"), "1 channel"),
    ],
    ids=str,
)
def test_what_cannot_be_measured(arguments: tuple[str, ...], words: str, folder: Path) -> None:
    Path("empty").mkdir()
    Path("deep/a").mkdir(parents=True)
    np.save("deep/a/x.npy", np.zeros((8, 8, 5), np.uint8))
    (folder / "digits.yaml").write_text(yaml.safe_dump(recipe({"kind": "digits"})))
    told = evaluate(*arguments)
    assert told.exit_code == 2, (told.output, told.exception)
    if arguments[1] != "deep":
        assert words in told.stderr
    assert not Path("run/evaluations").exists()


def test_in_a_fresh_process_with_its_figures(folder: Path) -> None:
    done = supcon("evaluate", "run", "--by", "knn", "--device", "cpu", cwd=folder)
    assert done.wait() == 0, done.stderr
    drawn = {path.name for path in Path("run/evaluations/own/figures").iterdir()}
    assert "knn_confusion_matrix.png" in drawn
