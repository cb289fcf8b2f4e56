"""What would be costly is refused for its size, with its place; what is merely unusual is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from supcon_ext.cli import main
from supcon_ext.recipe import RecipeError, load_recipe, parse_recipe
from supcon_ext.recipe.limits import (
    DEEPEST,
    LARGEST_TEXT,
    LONGEST_CHAIN,
    MOST_OVERRIDES,
    MOST_PROBLEMS,
    MOST_RUNS,
    MOST_VALUES,
)
from tests.recipe.malformed import GOOD

pytestmark = pytest.mark.timeout(60)

TOO_MANY = f"at most {MOST_VALUES:,} keys"
TOO_DEEP = f"at most {DEEPEST} deep"
TOO_LONG = f"at most {LARGEST_TEXT:,} characters"


def laughs(levels: int = 9, each: int = 9) -> str:
    first = f"x0: &x0 [{', '.join(['1'] * each)}]\n"
    return (
        GOOD
        + first
        + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * each)}]\n" for n in range(1, levels))
    )


FILES: dict[str, tuple[str | bytes, int | None, str]] = {
    "billion laughs": (laughs(), 11, TOO_MANY),
    "laughs of mappings": (
        GOOD
        + "a0: &a0 {b: 1, c: 2}\n"
        + "".join(
            f"a{n}: &a{n} {{{', '.join(f'k{i}: *a{n - 1}' for i in range(9))}}}\n"
            for n in range(1, 9)
        ),
        11,
        TOO_MANY,
    ),
    "deep lists": (GOOD + "x: " + "[" * 10_000 + "]" * 10_000, 7, TOO_DEEP),
    "deep lists never closed": (GOOD + "x: " + "[" * 10_000, 7, TOO_DEEP),
    "deep mappings": (GOOD + "x: " + "{a: " * 10_000 + "}" * 10_000, 7, TOO_DEEP),
    "deep blocks": (GOOD + "".join(" " * n + "a:\n" for n in range(600)), 7 + DEEPEST, TOO_DEEP),
    "deep dashes": (GOOD + "x:\n  " + "- " * 10_000 + "1", 8, TOO_DEEP),
    "deep question marks": (GOOD + "? " * 1_000 + "1", 7, TOO_DEEP),
    "deep aliases": (
        GOOD + "x0: &x0 [1]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}]\n" for n in range(1, 100)),
        6 + DEEPEST,
        TOO_DEEP,
    ),
    "a megabyte of keys": (
        GOOD + "".join(f"key{n:06}: 1\n" for n in range(80_000)),
        None,
        TOO_LONG,
    ),
    "many short keys": (GOOD + "".join(f"k{n}: 1\n" for n in range(20_000)), 4997, TOO_MANY),
    "many items": (GOOD + "x: [" + "1," * 100_000 + "]", 7, TOO_MANY),
    "a long text": (GOOD + "description: " + "a" * 1_000_000, None, TOO_LONG),
    "a long comment": (GOOD + "# " + "a" * 1_000_000, None, TOO_LONG),
    "a long line of bytes": (GOOD.encode() + b"\xff" * 2_000_000, None, TOO_LONG),
    "a large number": (GOOD + "seed: " + "9" * 100_000, 7, "at most 64 bits"),
    "a large hexadecimal": (GOOD + "seed: 0x" + "f" * 100_000, 7, "at most 64 bits"),
    "65 bits": (GOOD + f"seed: {2**64}", 7, "at most 64 bits"),
    "a number without end": (GOOD + "seed: 1e400", 7, "finite number, but got 1e400"),
    "an exponent without end": (
        GOOD + "seed: 1e" + "9" * 10_000,
        7,
        "finite number, but got 1e9999",
    ),
    "a loop": (GOOD + "x: &x [*x]", 7, "no alias of a part that holds the alias"),
    "NUL": (GOOD + "x: \0", 7, "character U+0000"),
    "an escape": (GOOD + 'description: "\\e[2J"', 7, "U+001B"),
    "an escape in a key": (GOOD + '"a\\e[2J": 1', 7, "U+001B"),
    "UTF-16": (GOOD.encode("utf-16"), 1, "text in UTF-8"),
    "Latin-1": (GOOD.encode() + "x: caf\xe9".encode("latin-1"), 7, "text in UTF-8"),
    "binary": (bytes(range(256)) * 100, 2, "text in UTF-8"),
    "a tab": (GOOD + "data:\n\tseed: 1", 8, "cannot start any token"),
    "a merge key": (GOOD + "x: &x {a: 1}\ny: {<<: *x}", 8, "merge key"),
    "two documents": (GOOD + "---\n" + GOOD, 7, "single document"),
    "a tag": (GOOD + "x: !!python/object:os.system {}", 7, "plain YAML"),
    "a set": (GOOD + "x: !!set {a}", 7, "plain YAML"),
    "base 64": (GOOD + "x: !!binary aGk=", 7, "plain YAML"),
    "nothing": ("", None, "the file is empty"),
    "spaces": (" \n\n", None, "the file is empty"),
    "a text": ("hello", None, "something else"),
    "a list": ("- a", None, "something else"),
}


COMMANDS = ("validate", "show", "run", "sweep", "audit")


def problems_of(call: Callable[[], Any]) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_with_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, line, message = FILES[name]
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    error = problems_of(lambda: load_recipe("a.yaml"))
    found = [p for p in error.problems if message in p.message]
    assert found and found[0].file == "a.yaml" and found[0].line == line
    for command in ["validate"] if name not in ("billion laughs", "UTF-16", "NUL") else COMMANDS:
        told = CliRunner().invoke(main, [command, "a.yaml"])
        assert told.exit_code == 2 and "a.yaml" in told.stderr and told.stdout == ""
        assert len(told.stderr) < 4_000 and "\x1b" not in told.stderr


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        GOOD + "---\n...\n"[4:],
        GOOD.replace("[contrastive]", "&o [contrastive]")
        + "  - {name: b, epochs: 1, objective: *o, optimizer: {kind: sgd, lr: 0.1}}\n"
        + "  - {name: c, epochs: 1, objective: *o, optimizer: {kind: sgd, lr: 0.1}}\n",
    ],
    ids=["CRLF", "CR", "BOM", "an end", "aliases"],
)
def test_what_is_merely_unusual_is_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode())
    assert load_recipe(path).stages[0].epochs == 2


def test_all_class_ids_of_a_large_set_are_no_large_recipe(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        GOOD
        + f"data: {{groups: {{many: {list(range(3_000))}, "
        + f"medium: {list(range(3_000, 8_142))}, few: []}}}}"
    )
    assert load_recipe(path).data.groups.many is not None


def test_a_chain_of_files_has_an_end(tmp_path: Path) -> None:
    for number in range(1_000):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    (tmp_path / "1000.yaml").write_text(GOOD)
    error = problems_of(lambda: load_recipe(tmp_path / "0.yaml"))
    assert f"at most {LONGEST_CHAIN} files" in str(error) and error.problems[0].line == 1
    assert load_recipe(tmp_path / f"{1_001 - LONGEST_CHAIN}.yaml").name == "good"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("x=" + "[" * 10_000, TOO_DEEP),
        ("a" + ".a" * 10_000 + "=1", TOO_DEEP),
        ("x=[" + "1," * 50_000 + "]", TOO_MANY),
        ("seed=" + "9" * 50_000, "64 bits"),
        ("seed=1e999", "finite"),
        ("stages." + "9" * 10_000 + ".epochs=1", "Expected an index below 1"),
        ("description=" + "a" * LARGEST_TEXT, "characters together"),
        ("a\x1b[2J=1", "U+001B"),
        ("description=a\udcff", "character U+DCFF"),
        ("a\udcff=1", "U+DCFF"),
        ("x=" + laughs().removeprefix(GOOD), TOO_MANY),
    ],
    ids=range(11),
)
def test_an_override_is_refused(override: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    error = problems_of(lambda: load_recipe(path, [override]))
    assert message in str(error).replace("\n", " ") and error.problems[0].file == "command line"
    assert len(str(error)) < 4_000
    str(error).encode()
    assert CliRunner().invoke(main, ["validate", str(path), override]).exit_code == 2


def test_thousands_of_overrides(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD)
    error = problems_of(lambda: load_recipe(path, ["seed=1"] * 100_000))
    assert f"at most {MOST_OVERRIDES} overrides" in str(error)
    assert (
        load_recipe(path, [f"seed={n}" for n in range(MOST_OVERRIDES)]).seed == MOST_OVERRIDES - 1
    )


def test_many_mistakes_are_counted_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(GOOD + "".join(f"k{n}: 1\n" for n in range(4_000)))
    told = CliRunner().invoke(main, ["validate", str(path)])
    assert told.exit_code == 2
    assert told.stderr.count("Unknown key") == MOST_PROBLEMS
    assert f"... and {4_000 - MOST_PROBLEMS:,} more problems" in told.stderr


def nested(depth: int) -> Any:
    value: Any = "label"
    for _ in range(depth):
        value = {"kind": "all_of", "members": [value, "instance"]}
    return value


def test_parts_in_parts(tmp_path: Path) -> None:
    values = {"name": "a", "stages": [{"name": "a", "epochs": 1}]}
    values["stages"][0]["objective"] = [{"contrastive": {"selector": nested(12)}}]  # type: ignore[index]
    assert parse_recipe(values).name == "a"
    values["stages"][0]["objective"] = [{"contrastive": {"selector": nested(2_000)}}]  # type: ignore[index]
    assert TOO_DEEP in str(problems_of(lambda: parse_recipe(values)))


def loop() -> Any:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (loop(), TOO_DEEP),
        ([loop()], TOO_DEEP),
        ([0] * 100_000, TOO_MANY),
        (float("nan"), "finite"),
        (10**5_000, "64 bits"),
        ({1: 2}, "text as a key"),
        ({b"a": 2}, "text as a key"),
        ("a\0b", "U+0000"),
        ("a\ud800b", "U+D800"),
        ({"a\x1b": 1}, "U+001B"),
    ],
    ids=range(10),
)
def test_plain_values_are_refused_alike(value: Any, message: str) -> None:
    stage = {"name": "a", "epochs": 1, "objective": ["contrastive"]}
    for recipe in (
        {"name": "a", "stages": [stage], "description": value},
        {"name": "a", "stages": [{**stage, "clip_norm": value}]},
        {"name": "a", "stages": [{**stage, "optimizer": {"kind": "sgd", "lr": value}}]},
    ):
        error = problems_of(lambda recipe=recipe: parse_recipe(recipe))  # type: ignore[misc]
        assert message in str(error)
        str(error).encode()


def sweep(grid: str, seeds: str = "[0]") -> str:
    recipe = "".join(f"  {line}\n" for line in GOOD.splitlines()[1:])
    return f"name: s\nrecipe:\n{recipe}grid:\n{grid}\nseeds: {seeds}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            sweep(
                "".join(
                    f"  stages.0.{k}: {list(range(1, 101))}\n"
                    for k in ("epochs", "batch_size", "clip_norm")
                )
            ),
            "make 1,000,000",
        ),
        (sweep("  seed: [0]", str(list(range(MOST_RUNS + 1)))), f"at most {MOST_RUNS:,} runs"),
        (sweep("  seed: [" + "0," * 50_000 + "]"), TOO_MANY),
        (sweep("  model.ema: [0.5, 0.5]"), "two are called `0.5-s0`"),
        (sweep("  m: {a b: {}, a_b: {}}"), "two are called `a_b-s0`"),
        (sweep("  seed: [1]", "[0, 0]"), "two are called `1-s0`"),
        (sweep("  seed: []"), "a list of at least 1"),
        (sweep("  m: {}"), "at least 1"),
        (sweep("  model.ema: [3]"), "value below 1"),
        ("grid: 3", "grid"),
        ("grid: [a", "Expected YAML"),
        ("[]\n#\ngrid:", "Expected YAML"),
        ("- a\n", "something else"),
    ],
    ids=range(13),
)
def test_a_sweep_is_refused(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(text)
    for command in ("sweep", "validate", "show"):
        told = CliRunner().invoke(main, [command, "s.yaml"])
        assert told.exit_code == 2 and "s.yaml" in told.stderr
        assert message in told.stderr.replace("\n", " ") or command != "sweep"
        assert "command line" not in told.stderr


@pytest.mark.parametrize("seeds", ["x", "[", "3", "{a: 1}", "[-1]", "[1.5]", "null", "yes"])
def test_seeds_that_are_none(seeds: str, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(sweep("  model.ema: [0.5]"))
    told = CliRunner().invoke(main, ["validate", str(path), f"seeds={seeds}"])
    assert told.exit_code == 2 and f"seeds={seeds}" in told.stderr
