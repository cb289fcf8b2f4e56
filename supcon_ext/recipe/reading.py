"""YAML text as values that know where they were written.

Plain scalars are read by the core rules of YAML 1.2: ``1e-5`` is a number, and a key called ``on``
is the text ``on``. Beyond YAML, three things are wrong in a recipe: a key that is there twice, a
number that is not finite, and a bare ``on``, ``off``, ``yes`` or ``no`` as a value, which YAML 1.1
readers take for true or false. Merge keys (``<<``) are not read, and what goes beyond the limits of
:mod:`~supcon_ext.recipe.limits` is refused while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from supcon_ext.recipe.limits import (
    LARGEST_NUMBER,
    LARGEST_TEXT,
    Allowance,
    TooLargeError,
    number_fault,
    text_fault,
)
from supcon_ext.recipe.origins import Document, Fault, Items, Key, KeyPath, ValueOrigin

_NOWHERE = ValueOrigin()

_LONGEST_NUMBER = 100
_TAG = "tag:yaml.org,2002:"
_YAML_1_1_TRUTHS = frozenset({"on", "off", "yes", "no"})
CORE_SCALARS = (
    ("null", re.compile(r"(?:null|Null|NULL|~|)\Z"), ["n", "N", "~", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+.0123456789"),
    ),
)


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's reader with YAML 1.2's core rules for plain scalars."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._allowance = Allowance()
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node, if it is not one too many."""
        try:
            self._allowance.visit(self._depth)
        except TooLargeError as error:
            raise _Costly(str(error), self.line + 1) from None
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Costly(ValueError):
    def __init__(self, message: str, line: int | None, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.line = line
        self.path = path


for _name, _pattern, _first in CORE_SCALARS:
    _CoreLoader.add_implicit_resolver(_TAG + _name, _pattern, _first)


def read_file(path: Path, written: ValueOrigin | None = None) -> Document:
    """Read a YAML file; a text that is no YAML gives a document with a fault and no value.

    Args:
        path: The file.
        written: Layer and source of all that is in it; its path if None.

    Raises:
        OSError: The file cannot be read.
    """
    written = ValueOrigin(source=str(path)) if written is None else written
    with path.open("rb") as file:
        raw = file.read(4 * LARGEST_TEXT + 1)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) > 4 * LARGEST_TEXT:
            return _unread(written, _TOO_LONG)
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} is none ({error.reason})"
        message = f"Expected text in UTF-8, but {found}. Try: save it as UTF-8."
        return _unread(written, message, line)
    return read_text(text.replace("\r\n", "\n").replace("\r", "\n"), written)


def read_text(text: str, written: ValueOrigin = _NOWHERE) -> Document:
    """Read a YAML text; one that is no YAML gives a document with a fault and no value."""
    if len(text) > LARGEST_TEXT:
        return _unread(written, _TOO_LONG)
    reader = _Reader(written)
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
        value = None if node is None else reader.value(node, ())
    except _Costly as error:
        return _unread(written, str(error), error.line, error.path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        line = None if mark is None else mark.line + 1
        return _unread(written, f"Expected YAML, but found an error {reason}.", line)
    except yaml.reader.ReaderError as error:
        letter, line = int(error.character), text.count("\n", 0, error.position) + 1
        return _unread(written, f"Expected YAML, but it has the character U+{letter:04X}.", line)
    except yaml.YAMLError as error:
        return _unread(written, f"Expected YAML, but {error}.")
    return Document(value, reader.faults, reader.at(None if node is None else _line(node)))


_TOO_LONG = f"Expected a text of at most {LARGEST_TEXT:,} characters, but it is longer."


def _unread(
    written: ValueOrigin, message: str, line: int | None = None, path: KeyPath = ()
) -> Document:
    return Document(None, [Fault(path, message, origin=replace(written, line=line))])


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Reader:
    """Makes values of YAML's nodes, and notes what is wrong on the way."""

    def __init__(self, written: ValueOrigin) -> None:
        self.faults: list[Fault] = []
        self._written = written
        self._allowance = Allowance()
        self._top: int | None = None

    def at(self, line: int | None) -> ValueOrigin:
        return replace(self._written, line=line)

    def _wrong(self, path: KeyPath, node: yaml.Node, message: str | None) -> bool:
        if message is not None:
            self.faults.append(Fault(path, message, origin=self.at(_line(node))))
        return message is not None

    def value(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...] = ()) -> Any:
        """The value of a node; ``above`` are the nodes that hold it."""
        if node in above:
            self._wrong(path, node, "Expected no alias of a part that holds the alias.")
            return None
        try:
            self._allowance.visit(len(above))
        except TooLargeError as error:
            raise _Costly(str(error), self._top, path[:1]) from None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._wrong(path, node, _tagged(node))
        above = (*above, node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if len(above) == 1:
            self._top = _line(node)
        items = Items(self.value(item, (*path, i), above) for i, item in enumerate(node.value))
        items.origins = [self.at(_line(item)) for item in node.value]
        return items

    def _mapping(
        self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(path, key_node, "Expected plain text as a key.")
                continue
            text = _joined(str(key_node.value))
            merges = text == "<<" and key_node.style is None
            if self._wrong(path, key_node, _MERGE_KEY if merges else text_fault(text)):
                continue
            here = (*path, text)
            if text in values:
                message = f"Expected each key once, but `{text}` is in line {lines[text]} too."
                self._wrong(here, key_node, message)
                continue
            lines[text] = _line(key_node)
            if not path:
                self._top = lines[text]
            key = Key.at(text, self.at(lines[text]))
            values[key] = self.value(value_node, here, above)
        return values

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text = str(node.value)
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            text = _joined(text)
            self._wrong(path, node, text_fault(text))
            if node.style is None and text.lower() in _YAML_1_1_TRUTHS:
                message = (
                    f'Expected true or false, or text in quotes ("{text}"), but got a bare '
                    f"`{text}`, which some YAML readers take for true or false."
                )
                self._wrong(path, node, message)
            return text
        value: Any = None
        try:
            if kind == "bool":
                value = {"true": True, "false": False}[text.lower()]
            elif kind == "int" and len(text) > _LONGEST_NUMBER:  # costly to read, and too large
                value = LARGEST_NUMBER + 1
            elif kind == "int":
                value = int(text, 0) if text.startswith(("0o", "0x")) else int(text)
            elif kind == "float":
                value = float(re.sub(r"\.(inf|nan)\Z", r"\1", text.lower()))
            elif kind != "null":
                self._wrong(path, node, _tagged(node))
        except (KeyError, ValueError):
            self._wrong(path, node, f"Expected a value of `{node.tag}`, but got `{text:.60}`.")
        if value is not None and self._wrong(path, node, number_fault(value, text)):
            return None
        return value


def _tagged(node: yaml.Node) -> str:
    return f"Expected plain YAML, but got a tag `{node.tag}`."


_MERGE_KEY = (
    "Expected a key, but got YAML's merge key `<<`, which is not read. Try: `extends`, or an alias "
    "in place of the whole value."
)


def _joined(text: str) -> str:
    """Text in which a pair of surrogates, JSON's escape of a rare character, is that character."""
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plain_faults(value: Any) -> list[Fault]:
    """What no file could say: keys that are no text, numbers without end, loops.

    Args:
        value: A recipe, or a part of one.

    Raises:
        TooLargeError: It holds itself, or more than a recipe may hold.
    """
    return list(_faults(value, (), Allowance()))


def _faults(value: Any, path: KeyPath, allowance: Allowance) -> Iterator[Fault]:
    try:
        allowance.visit(len(path))
    except TooLargeError as error:
        where = ".".join(map(str, path[:8]))
        raise TooLargeError(f"{error} (at `{where}`)") from None
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                message = f"Expected text as a key, but got {key!r:.60}."
                if key is True:
                    message += " YAML 1.1 reads a bare `on` so; a term's `on` is `samples` now."
                yield Fault(path, message)
                continue
            fault = text_fault(key)
            if fault is not None:
                yield Fault((*path, key), fault)
            yield from _faults(inner, (*path, key), allowance)
    elif isinstance(value, (list, tuple)):
        for place, inner in enumerate(value):
            yield from _faults(inner, (*path, place), allowance)
    else:
        fault = None
        if isinstance(value, str):
            fault = text_fault(value)
        elif isinstance(value, (int, float)):
            fault = number_fault(value, str(value) if isinstance(value, float) else "")
        if fault is not None:
            yield Fault(path, fault)
