"""YAML read by the core rules of YAML 1.2, with lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.recipe.origins import KeyPath
from supcon_ext.recipe.reading import read_file, read_text
from supcon_ext.recipe.resolved import dump
from tests.recipe.values import scalars, texts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("5E3", 5000.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("0o17", 15),
        ("0x1F", 31),
        ("007", 7),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2024-05-01", "2024-05-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'1e-5'", "1e-5"),
        ("'yes'", "yes"),
        ("y", "y"),
        ("!!str 5", "5"),
        (r'"\ud83d\ude00"', "\U0001f600"),
        ("!!float 5", 5.0),
    ],
)
def test_plain_scalars(text: str, value: Any) -> None:
    document = read_text(f"key: {text}")
    assert document.value == {"key": value}
    assert type(document.value["key"]) is type(value)
    assert document.faults == []


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read_text("on: 1\n3: x\ntrue: 2\n~: 4").value == {"on": 1, "3": "x", "true": 2, "~": 4}


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "OFF", "Yes", "NO"])
def test_truths_of_yaml_1_1_must_be_quoted(word: str) -> None:
    document = read_text(f"a: 1\nb: {word}")
    assert [(f.path, f.origin and f.origin.line) for f in document.faults] == [(("b",), 2)]
    assert f'"{word}"' in document.faults[0].message
    assert read_text(f'b: "{word}"').faults == []


def test_lines_of_keys_and_items() -> None:
    document = read_text("a:\n  - x\n  -\n    b: 1\n\n    c: [2,\n      3]\n")
    lines: dict[KeyPath, int] = {
        (): 1,
        ("a",): 1,
        ("a", 0): 2,
        ("a", 1): 4,
        ("a", 1, "b"): 4,
        ("a", 1, "c"): 6,
        ("a", 1, "c", 0): 6,
        ("a", 1, "c", 1): 7,
    }
    for path, line in lines.items():
        origin = document.origin_at(path)
        assert origin is not None and origin.line == line


@pytest.mark.parametrize(
    ("text", "path", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", ("a",), 3, "`a` is in line 1"),
        ("a: &x [*x]", ("a", 0), 1, "alias"),
        ("a: .inf", ("a",), 1, "finite"),
        ("a: -.inf", ("a",), 1, "finite"),
        ("a: 1e999", ("a",), 1, "finite"),
        ("a: !!python/name:os.system x", ("a",), 1, "tag"),
        ("a: !mine {b: 1}", ("a",), 1, "tag"),
        ("a: !!int x", ("a",), 1, "`x`"),
        ("[1]: 2", (), 1, "plain text as a key"),
        ("a: [1", (), 1, "Expected YAML"),
        ("a: 1\n---\nb: 2", (), 2, "Expected YAML"),
    ],
)
def test_faults(text: str, path: tuple[str | int, ...], line: int, message: str) -> None:
    faults = read_text(text).faults
    assert [(fault.path, fault.origin and fault.origin.line) for fault in faults] == [(path, line)]
    assert message in faults[0].message


def test_an_alias_is_the_value_again() -> None:
    document = read_text("a: &x {b: 1}\nc: *x")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.faults == []


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff\xfe")
    assert "UTF-8" in read_file(path).faults[0].message


plain = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=12
)


@given(plain)
def test_what_is_written_is_read_again(value: Any) -> None:
    document = read_text(dump({"key": value}))
    assert document.faults == []
    assert document.value == {"key": value}
    assert repr(document.value) == repr({"key": value})
