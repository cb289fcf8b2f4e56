"""Pages of real runs: what they say is what the run found; what has none is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from data_tools.labels_file import read_labels
from supcon_ext.cli import main
from supcon_ext.experiment import run
from supcon_ext.experiment.kept_warnings import keep_warnings, kept_warnings
from supcon_ext.recipe import parse_recipe
from supcon_ext.report import seen, write
from supcon_ext.report.belief import NOT_RECORDED
from supcon_ext.report.write import write_report
from supcon_ext.tracking.selection_history import SelectionHistory
from supcon_ext.use.loaded import LoadedEncoder
from tests.experiment.tiny import recipe
from tests.runs import made

EVERY = (
    "results curves what-was-believed confusion map worst-errors data recipe environment".split()
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with wrong labels, a selection, and a classifier."""
    folder = tmp_path_factory.mktemp("report") / "tiny"
    run(parse_recipe(recipe(evaluation=["classifier"], tracking={"uri": "none"})), folder=folder)
    keep_warnings(folder, ["something <odd> happened"])
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def page(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its page, written once."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    return write_report(whole, out, device="cpu").read_text(encoding="utf-8")


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *arguments])


def written(*arguments: str) -> str:
    told = supcon(*arguments)
    assert told.exit_code == 0, (told.output, told.exception)
    place = Path(told.stdout.split()[1].rstrip(":"))
    return place.read_text(encoding="utf-8")


def sections(page: str) -> list[str]:
    return re.findall(r'<section id="([\w-]+)">', page)


def test_the_page_says_what_the_run_found(page: str, whole: Path) -> None:
    assert [name for name in sections(page) if name != "warnings"] == EVERY
    results = json.loads((whole / "results.json").read_text())
    test = results["last"]["test"]["classifier"]
    assert f"<b>{test['balanced_accuracy']:.3f}</b>" in page
    # the samples are seen as the run saw them
    said = re.search(r"([\d.]+)% as their label says", page)
    assert said is not None and said[1] == f"{100 * test['accuracy']:.1f}"
    assert "something &lt;odd&gt; happened" in page
    assert results["fingerprint"] in page and results["recipe_hash"] in page
    assert page.count("<svg") >= 5 and "data:image/png;base64," in page
    assert not re.search(r'(?:src|href)="(?!data:image/|#)', page)
    assert "url(http" not in page


def test_belief_is_that_of_the_last_selection(page: str, whole: Path) -> None:
    labels = read_labels(whole / "labels.npz")
    train = ~labels.held_out
    last = SelectionHistory(whole).last
    assert last is not None and labels.truth is not None
    given, truth = labels.given[train], labels.truth[train]
    body = page[page.index('id="what-was-believed"') :]
    rows = re.findall(r"<tr>(<td.*?)</tr>", body[: body.index("</section>")])
    assert len(rows) == 10
    for number, row in enumerate(rows):
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        of = given == number
        trusted = int((last.selected & of & (last.label == given)).sum())
        assert cells[2:6] == [
            str(int(of.sum())),
            str(trusted),
            str(int((of & (last.label != given)).sum())),
            str(int((last.selected & (last.label == number)).sum())),
        ]
        assert cells[6] == f"{1 - trusted / of.sum():.4f}"
        assert cells[8] == f"{(truth[of] != number).mean():.4f}"


def test_a_run_that_did_not_record_what_was_believed_says_so(folder: Path) -> None:
    (folder / "tables" / "selection_classes.csv").write_text("class,name,samples\n0,0,3\n")
    told = supcon("tiny", "-o", "old.html")
    assert told.exit_code == 0 and f"{NOT_RECORDED}." in told.stderr.splitlines()
    assert f'<p class="warning">{NOT_RECORDED}.</p>' in Path("old.html").read_text()


def test_nothing_is_replaced_unasked(folder: Path) -> None:
    (folder.parent / "mine.html").write_text("mine")
    told = supcon("tiny", "-o", "mine.html")
    assert told.exit_code == 2 and "--force" in told.stderr and not told.stdout
    assert (folder.parent / "mine.html").read_text() == "mine"
    assert "<html" in written("tiny", "-o", "mine.html", "--force")
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("place", ["", "tiny", "no/such/x.html", "tiny/x\0.html", "x" * 5_000])
def test_a_place_that_cannot_be_is_one_line(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "run_page", lambda *args, **kwargs: "<html>")
    before = sorted(folder.rglob("*"))
    told = supcon("tiny", "-o", place)
    assert told.exit_code == 2 and told.stderr.count("\n") == 1, (told.output, told.exception)
    assert sorted(folder.rglob("*")) == before


def test_without_its_data_the_page_has_no_pictures_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*args: Any, **kwargs: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory", "pictures")

    monkeypatch.setattr(seen, "open_data", gone)
    page = written("tiny")
    assert (folder / "report.html").is_file()
    assert "data:image" not in page and "could not be read again" in page
    assert sections(page) == ["results", "warnings", *EVERY[1:3], *EVERY[6:]]


def test_changed_data_are_not_shown_as_the_runs(folder: Path) -> None:
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**results, "fingerprint": "0" * 64}))
    page = written("tiny")
    assert "have changed since" in page and "data:image" not in page


REFUSED = {
    "unfinished": ("results.json", None, "Expected a finished run"),
    "of an older version": ("model.json", None, "it was made by an older version"),
    "of a later version": ("model.json", '{"format": 99}', "Expected a model of format 1"),
    "torn results": ("results.json", "{", "Expected JSON in"),
    "other results": ("results.json", "[]", "Expected a JSON object in"),
    "empty results": ("results.json", "{}", "Expected what a run writes in"),
    "torn tensors": ("model.safetensors", "x", "Expected the tensors of"),
    "no journal": ("journal.jsonl", None, "journal.jsonl"),
    "torn journal": ("journal.jsonl", "x\n", "Expected a run's times in"),
    "torn recipe": ("recipe.yaml", "stages: [", "recipe.yaml"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_page_is_one_line(case: str, folder: Path) -> None:
    name, text, line = REFUSED[case]
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)
    told = supcon("tiny")
    assert told.exit_code == 2, (told.output, told.exception)
    assert line in told.stderr and "Traceback" not in told.output and not told.stdout
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_amid_the_pictures_leaves_nothing(
    number: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(self: Any, samples: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(LoadedEncoder, "outputs", stopping)
    before = sorted(folder.iterdir())
    assert supcon("tiny").exit_code == 128 + number
    assert sorted(folder.iterdir()) == before


def test_a_sweeps_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = made.sweep(tmp_path / "runs" / "few-123456", "FAILED", count=3)
    made.run(place / "two-s0", "FAILED")
    keep_warnings(place / "one-s0", ["it was odd"])
    page = written("few-123456")
    assert (place / "report.html").is_file()
    assert "3 of 4 runs finished." in page and "0.5000 ± 0.0000" in page
    assert "two-s0 is failed: RuntimeError: no memory" in page and "one-s0: it was odd" in page
    assert sections(page) == ["results", "warnings", "runs", "data", "recipe"]
    for child in place.glob("one-*"):
        shutil.rmtree(child)
    told = supcon("few-123456", "--force")
    assert told.exit_code == 2 and "Expected a sweep with a finished run" in told.stderr


def test_warnings_are_kept_once_over_processes(tmp_path: Path) -> None:
    assert kept_warnings(tmp_path) == []
    keep_warnings(tmp_path, [])
    assert not [*tmp_path.iterdir()]
    keep_warnings(tmp_path, ["a\nb", "c"])
    keep_warnings(tmp_path, ["c", "d"])
    first, *rest = kept_warnings(tmp_path)
    assert "\n" not in first and rest == ["c", "d"]


def test_a_run_keeps_what_it_warned_of(tmp_path: Path) -> None:
    stage = {
        "name": "a",
        "epochs": 1,
        "batch_size": 64,
        "views": {"count": 1},
        "objective": [{"contrastive": {"selector": "instance"}}],
    }
    given = recipe(stages=[stage], evaluation=["knn"], tracking={"uri": "none"})
    run(parse_recipe(given), folder=tmp_path / "lonely")
    assert any("had no positive" in line for line in kept_warnings(tmp_path / "lonely"))


def test_numbers_are_finite(page: str) -> None:
    assert "nan" not in re.sub(r"base64,[\w+/=]+", "", page).lower().split()
    assert np.isfinite([float(x) for x in re.findall(r"\((\d\.\d\d)\);", page)]).all()
