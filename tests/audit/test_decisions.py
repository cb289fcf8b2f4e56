"""What people decided is taken as they decided it, or refused in one line."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from data_tools.labels_file import read_labels
from supcon_ext.audit import AuditedSamples
from supcon_ext.audit.decisions import sample_keys, samples_fingerprint
from supcon_ext.cli import main
from supcon_ext.experiment import run
from supcon_ext.experiment.build import build_data
from supcon_ext.experiment.open import open_run
from supcon_ext.recipe import parse_recipe
from tests.audit import decided
from tests.audit.coloured import paint, recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AuditedSamples]:
    """A finished run on 144 images, of which 12 are misplaced and 29 for the test."""
    folder = tmp_path_factory.mktemp("decided")
    paint(folder / "images", per_class=48, wrong=6)
    dataset = {"kind": "image_folder", "root": str(folder / "images"), "test": 0.2}
    run(parse_recipe(recipe(dataset)), folder=folder / "run")
    return folder / "run", AuditedSamples.of(open_run(folder / "run").data)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def supcon(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def applied(folder: Path, decisions: str, target: str, *more: str) -> Result:
    """An audit of a run that writes the labels as people decided."""
    options = ["--out", "seen", "--decisions", decisions, "--apply", target]
    return supcon("audit", str(folder), *options, *more)


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def painted(samples: AuditedSamples, number: int) -> str:
    """The colour that a picture truly is."""
    assert samples.paths is not None
    return Path(samples.paths[number]).name.split("-")[0]


def some_of_each(samples: AuditedSamples) -> dict[int, str]:
    """In each split: a wrong label put right, one kept, and a right one found unusable."""
    found: dict[int, str] = {}
    for split in ("train", "test"):
        here = [i for i, name in enumerate(samples.split) if name == split]
        wrong = [i for i in here if painted(samples, i) != samples.classes[samples.label[i]]]
        right = [i for i in here if i not in wrong]
        found |= {wrong[0]: painted(samples, wrong[0]), wrong[1]: "keep", right[0]: "unusable"}
    return found


@pytest.mark.parametrize("confidence", [None, 0.5])
def test_decisions_are_applied_in_every_split(
    trained: tuple[Path, AuditedSamples], confidence: float | None
) -> None:
    folder, samples = trained
    given = some_of_each(samples)
    decided.write(Path("decisions.json"), samples, given)
    more = [] if confidence is None else [f"--min-confidence={confidence}"]
    result = applied(folder, "decisions.json", "n.csv", *more)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("10 of 144 labels look wrong")  # two are kept
    assert lines[1] == "people decided on 6: 2 relabelled, 2 kept, 2 unusable and left out"
    listed = {row["path"]: row for row in rows_of("seen/labels.csv")}
    new = {row["path"]: row for row in rows_of("n.csv")}
    assert samples.paths is not None
    expected, changed = {}, 0
    for i, path in enumerate(samples.paths):
        said, own = given.get(i, ""), samples.classes[samples.label[i]]
        row = listed[path]
        assert row["decision"] == (said if said in ("", "keep", "unusable") else "relabel")
        assert said != "keep" or row["flagged"] == "0"
        if said == "unusable":
            continue
        expected[path] = own if said in ("", "keep") else said
        if said == "" and confidence is not None and row["flagged"] == "1":
            if float(row["confidence"]) >= confidence:
                expected[path] = row["suggested_name"]
                changed += 1
    assert {path: row["label"] for path, row in new.items()} == expected
    if confidence is None:
        assert lines[2] == "2 labels are corrected in n.csv"
    else:
        assert changed > 0
        assert lines[2].startswith(f"{changed} labels with a suggestion of confidence 0.5 or more")
    judged = {path: row["judged"] for path, row in new.items() if row["judged"]}
    words = {"keep": "kept"}
    assert judged == {
        samples.paths[i]: words.get(said, "relabelled")
        for i, said in given.items()
        if said != "unusable"
    }


@pytest.mark.parametrize("decide", [False, True], ids=["", "decisions"])
@pytest.mark.parametrize("apply", [False, True], ids=["", "apply"])
def test_json_says_what_the_lines_say(
    trained: tuple[Path, AuditedSamples], decide: bool, apply: bool
) -> None:
    folder, samples = trained
    given = some_of_each(samples)
    decided.write(Path("d.json"), samples, given)
    options = ["--out", "seen", "--split", "train", "--split", "test"]
    options += ["--decisions", "d.json"] if decide else []
    options += ["--apply", "n.csv", "--force", "--min-confidence", "0.5"] if apply else []
    lines = supcon("audit", str(folder), *options)
    told = supcon("audit", str(folder), *options, "--json")
    assert lines.exit_code == told.exit_code == 0, told.stderr
    found = json.loads(told.stdout)
    rows, sizes = rows_of("seen/labels.csv"), {each["name"]: each for each in found["classes"]}
    assert found["labels"] == len(rows) == 132 and found["csv"] == "seen/labels.csv"
    assert found["flagged"] == sum(row["flagged"] == "1" for row in rows)
    for name, size in sizes.items():
        of = [row for row in rows if row["given_name"] == name]
        assert size["before"] == len(of)
        assert size["flagged"] == sum(row["flagged"] == "1" for row in of)
    assert found["left_out"] == ["12 of the validation split (not asked for)"]
    assert found["decided"] == (len(given) if decide else None)
    warned = [f"warning: {line}" for line in found["warnings"]]
    assert [line for line in told.stderr.splitlines() if line.startswith("warning")] == warned
    assert [line for line in lines.stderr.splitlines() if line.startswith("warning")] == warned
    on_test = any("are of test labels that nobody looked at" in line for line in warned)
    assert on_test is (apply and not decide)  # one test label is doubted, and people kept it
    assert lines.stdout.splitlines()[-1].endswith(shlex.join(found["next"]))
    assert (found["corrections"] is not None) is apply
    if apply:
        new, made = rows_of("n.csv"), found["corrections"]
        moved = [row for row in new if row["label"] != Path(row["path"]).parent.name]
        assert made["changed"] == len(moved) == made["suggested"] + made["relabelled"]
        tests = [row for row in moved if row["split"] == "test"]
        assert made["suggested_in_test"] == len(tests) - decide, tests
        decisions = [made["relabelled"], made["kept"], made["unusable"]]
        assert decisions == ([2, 2, 2] if decide else [0, 0, 0])
        listed = [row for row in new if row["split"] != "val"]
        for name, size in sizes.items():
            assert size["after"] == sum(row["label"] == name for row in listed)


def test_a_later_audit_respects_what_was_decided(trained: tuple[Path, AuditedSamples]) -> None:
    """Of the same data by the file, and of the corrected data by the manifest's own column."""
    folder, samples = trained
    wrong = [i for i in range(144) if painted(samples, i) != samples.classes[samples.label[i]]]
    given = {i: "keep" for i in wrong[:4]} | {i: painted(samples, i) for i in wrong[4:]}
    decided.write(Path("d.json"), samples, given)
    again = supcon("audit", str(folder), "--out", "seen", "--decisions", "d.json")
    assert again.stdout.startswith("8 of 144 labels look wrong")
    supcon("audit", str(folder), "--out", "seen", "--decisions", "d.json", "--apply", "new.csv")
    dataset = {"kind": "manifest", "file": "new.csv", "outside": True}
    run(parse_recipe(recipe(dataset)), folder=Path("second"))
    later = supcon("audit", "second", "--apply", "third.csv")
    assert later.stdout.startswith("0 of 144 labels look wrong"), later.stdout
    assert rows_of("third.csv") == rows_of("new.csv")
    other = supcon("audit", "second", "--decisions", "d.json", "--apply", "fourth.csv")
    assert other.exit_code == 2 and "other pictures or labels" in other.stderr


def test_the_same_data_under_another_seed_takes_them_too(
    trained: tuple[Path, AuditedSamples],
) -> None:
    folder, samples = trained
    images = str(folder.parent / "images")
    values = recipe({"kind": "image_folder", "root": images, "test": 0.2}, seed=3)
    other = AuditedSamples.of(build_data(parse_recipe(values, ["data.validation=0.3"]).data))
    assert len(other.train) < len(samples.train)
    assert samples_fingerprint(other) == samples_fingerprint(samples)
    assert sorted(sample_keys(other)) == sorted(sample_keys(samples))
    relabelled = parse_recipe(values, ["data.noise={kind: symmetric, rate: 0.2}"]).data
    assert samples_fingerprint(AuditedSamples.of(build_data(relabelled))) != (
        samples_fingerprint(samples)
    )


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.pop(key)


def entry(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content["decisions"][0].update(changes)
        for key, value in changes.items():
            if value is None:
                del content["decisions"][0][key]

    return change


def put(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update(changes)


def twice(content: dict[str, Any]) -> None:
    content["decisions"].append(content["decisions"][0])


EDITED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no format": (without("format"), "it holds something else"),
    "another format": (put(format="labels"), "it holds something else"),
    "no version": (without("version"), "Expected version 1 of decisions in d.json, but got None"),
    "a newer version": (put(version=2), "Expected version 1 of decisions in d.json, but got 2"),
    "a version as text": (put(version="1.0"), "but got 1.0. Try: a page made by this version"),
    "no fingerprint": (without("fingerprint"), "one is missing"),
    "a fingerprint that is a number": (put(fingerprint=7), "one is missing"),
    "other data": (put(fingerprint="0" * 64), "other pictures or labels (000000000000)"),
    "no list": (without("decisions"), "one is missing"),
    "a mapping for a list": (put(decisions={}), "one is missing"),
    "an entry that is text": (put(decisions=["keep"]), "Expected an object in entry 1 of d.json"),
    "no set": (entry(set=None), "Expected a `set` and an `index` in entry 1"),
    "a set that is a list": (entry(set=["train"]), "Expected a `set` and an `index` in entry 1"),
    "an unknown set": (entry(set="validation"), "Expected a sample of the data in entry 1"),
    "no index": (entry(index=None), "Expected a `set` and an `index` in entry 1"),
    "an index that is text": (entry(index="0"), "Expected a `set` and an `index` in entry 1"),
    "an index that is true": (entry(index=True), "Expected a `set` and an `index` in entry 1"),
    "an index beyond the end": (entry(index=10**30), "Expected a sample of the data in entry 1"),
    "an index before the start": (entry(index=-1), "Expected a sample of the data in entry 1"),
    "another sample's index": (entry(index=1), "Expected a sample of the data in entry 1"),
    "another path": (entry(path="x.png"), "in entry 1 of d.json, but got x.png"),
    "no path": (entry(path=None), "Expected a sample of the data in entry 1"),
    "another given label": (entry(given="red"), "Expected the given label blue in entry 1"),
    "no given label": (entry(given=None), "Expected the given label blue in entry 1"),
    "no decision": (entry(decision=None), "Expected a decision in entry 1 of d.json, but got noth"),
    "an unknown decision": (entry(decision="Keep"), "Try: keep, relabel, unusable"),
    "a decision that is a list": (entry(decision=["keep"]), "Expected a decision in entry 1"),
    "an unknown class": (entry(label="pink"), "but got pink. Try: blue, green, red"),
    "no new class": (entry(label=None), "Expected a class of the data as new `label` in entry 1"),
    "a class that is a number": (entry(label=2), "Expected a class of the data as new `label`"),
    "a sample twice": (twice, "Expected another sample in each entry in entry 2"),
    "an escape sequence": (entry(label="\x1b[31m"), r"but got \x1b[31m."),
}
TEXTS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "but it is no JSON"),
    "half of it": (b'{"format": "supcon-decisions", "version', "but it is no JSON"),
    "no JSON": (b"path,label\nx.png,red\n", "but it is no JSON"),
    "a list": (b"[]", "it holds something else"),
    "a number": (b"7", "it holds something else"),
    "bytes": (b"\xff\xfe\x00", "Expected UTF-8 text in d.json"),
    "deep": (b"[" * 200_000, "but it is no JSON"),
    "a number without end": (b"1" * 10_000, "but it is no JSON"),
}


def refused(folder: Path, message: str, *more: str) -> None:
    """One line, exit status 2, and neither the page nor the corrected labels are touched."""
    shutil.rmtree("seen", ignore_errors=True)
    Path("there.csv").write_text("as it was")
    result = applied(folder, "d.json", "there.csv", "--force", *more)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1 and result.stdout == ""
    assert "Traceback" not in result.output
    assert Path("there.csv").read_text() == "as it was"
    assert not Path("seen").exists()


@pytest.mark.parametrize("case", EDITED)
def test_a_file_edited_by_hand(case: str, trained: tuple[Path, AuditedSamples]) -> None:
    folder, samples = trained
    wrong = [i for i in range(144) if painted(samples, i) == "red" and samples.label[i] == 0]
    content = decided.content(samples, {wrong[0]: "red"})
    change, message = EDITED[case]
    change(content)
    Path("d.json").write_text(json.dumps(content))
    refused(folder, message)


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_of_something_else(case: str, trained: tuple[Path, AuditedSamples]) -> None:
    text, message = TEXTS[case]
    Path("d.json").write_bytes(text)
    refused(trained[0], message)


def test_no_file_at_all(trained: tuple[Path, AuditedSamples]) -> None:
    refused(trained[0], "Expected a file of decisions, but d.json does not exist.")
    Path("d.json").mkdir()
    result = supcon("audit", str(trained[0]), "--decisions", "d.json")
    assert result.exit_code == 2 and "File 'd.json' is a directory." in result.stderr


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on pictures that are no files."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    values = recipe({"kind": "digits", "size": 8})
    values["stages"][0] |= {"epochs": 1, "batch_size": 256}
    run(parse_recipe(values), folder=folder)
    return folder


def test_decisions_on_pictures_that_are_no_files(digits: Path) -> None:
    samples = AuditedSamples.of(open_run(digits).data)
    before = open_run(digits).data.labels
    held = samples.voters - 1
    other = {i: str((samples.label[i] + 1) % 10) for i in (0, 7, held)}
    decided.write(Path("d.json"), samples, {**other, 3: "keep"})
    result = supcon("audit", str(digits), "--decisions", "d.json", "--apply", "new.npz", "--top=1")
    assert result.exit_code == 0, result.stderr
    assert "people decided on 4: 3 relabelled, 1 kept, 0 unusable" in result.stdout
    after = read_labels("new.npz")
    changed = np.flatnonzero(after.given != before.given)
    assert sorted(before.index[changed]) == sorted(samples.index[[*other]])
    for i, name in other.items():
        assert after.given[np.searchsorted(after.index, samples.index[i])] == int(name)


@pytest.mark.long
def test_a_later_audit_respects_them_there_too(digits: Path) -> None:
    """The same labels make the same network, which doubts all but what was kept."""
    samples = AuditedSamples.of(open_run(digits).data)
    supcon("audit", str(digits), "--out", "seen", "--top=1")
    place = {str(index): i for i, index in enumerate(samples.index[: samples.from_training])}
    kept = doubted("seen/labels.csv")[:3]
    assert len(kept) == 3
    decided.write(Path("d.json"), samples, {place[index]: "keep" for index in kept})
    supcon("audit", str(digits), "--decisions", "d.json", "--apply", "new.csv", "--top=1")
    values = yaml.safe_load((digits / "recipe.yaml").read_text())
    overrides = ["data.noise={kind: from_file, file: new.csv}"]
    run(parse_recipe(values, overrides), folder=Path("second"))
    supcon("audit", "second", "--out", "later", "--top=1")
    assert doubted("later/labels.csv") == doubted("seen/labels.csv")[3:]


def doubted(path: str) -> list[str]:
    """Places of doubted labels that are no test's, the most doubted first."""
    rows = [row for row in rows_of(path) if row["flagged"] == "1" and row["split"] != "test"]
    return [row["index"] for row in rows]


@pytest.mark.parametrize("order", ["imbalance_then_noise", "noise_then_imbalance"])
def test_unusable_pictures_that_are_no_files_are_left_out(order: str) -> None:
    """The recipe's own imbalance is settled in the file; that on the test has no place there."""
    data = {
        "dataset": {"kind": "digits", "size": 8},
        "noise": {"kind": "symmetric", "rate": 0.2},
        "imbalance": {"kind": "exponential", "factor": 3},
        "order": order,
        "validation": 0.1,
    }
    values = recipe({}, data=data)
    values["stages"][0] |= {"epochs": 1, "batch_size": 256}
    run(parse_recipe(values), folder=Path("own"))
    before = open_run("own").data
    samples = AuditedSamples.of(before)
    gone = [0, 5, samples.voters - 1]
    decided.write(Path("d.json"), samples, {i: "unusable" for i in (*gone, samples.voters)})
    for name in ("new.csv", "new.npz"):
        result = supcon("audit", "own", "--decisions", "d.json", "--apply", name)
        assert result.exit_code == 0, result.stderr
        assert "4 unusable and left out" in result.stdout
        assert "1 corrections are of validation or test images" in result.stderr
        (line,) = [line for line in result.stdout.splitlines() if line.startswith("next: ")]
        overrides = shlex.split(line)[4:]
        after = build_data(parse_recipe(values, overrides).data)
        left = {*before.labels.index.tolist()} - {*samples.index[gone].tolist()}
        assert set(after.labels.index.tolist()) == left
        place = np.searchsorted(before.labels.index, after.labels.index)
        assert np.array_equal(before.labels.given[place], after.labels.given)
        assert len(after.train) + len(after.validation or ()) == len(left)
