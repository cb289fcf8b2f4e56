"""What is printed of a name that somebody else chose."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.printable import printable, printable_lines

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0)])
def test_every_control_is_written_out(code: int) -> None:
    assert printable(f"a{chr(code)}b") == f"a\\x{code:02x}b"


@pytest.mark.parametrize("mark", [*BIDI, "\u2028", "\u2029", "\ufeff"])
def test_what_turns_or_ends_a_line_is_written_out(mark: str) -> None:
    assert printable(f"a{mark}b") == f"a\\u{ord(mark):04x}b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("one\r\ntwo", r"one\x0d\x0atwo"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        (os.fsdecode(b"caf\xe9.jpg"), r"caf\xe9.jpg"),
        ("\ud800", r"\ud800"),
        ("", ""),
        (7, "7"),
    ],
)
def test_names(text: object, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize("text", ["Käse", "猫", "кот", "قط", "👩‍🔬", r"C:\new\x", "a b\u00a0c"])
def test_names_of_any_script_stay(text: str) -> None:
    assert printable(text) == text


@given(st.text(alphabet=st.characters()) | st.binary().map(os.fsdecode))
def test_whatever_the_name_it_is_one_line_that_can_be_written(text: str) -> None:
    made = printable(text)
    made.encode("utf-8")
    assert len(made.splitlines()) <= 1
    assert not {unicodedata.category(char) for char in made} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(made) & set(BIDI)
    assert printable(made) == made


def test_lines_stay_apart() -> None:
    assert printable_lines("a\x1b\nb\tc\n") == "a\\x1b\nb\\x09c\n"
