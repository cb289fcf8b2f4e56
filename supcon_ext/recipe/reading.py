"""YAML text as plain values, with the line of every key.

Plain scalars are read by the core rules of YAML 1.2: ``1e-5`` is a number, and a key called ``on``
is the text ``on``. Beyond YAML, three things are wrong in a recipe: a key that is there twice, a
number that is not finite, and a bare ``on``, ``off``, ``yes`` or ``no`` as a value, which YAML 1.1
readers take for true or false. Merge keys (``<<``) are not read, and what goes beyond the limits of
:mod:`~supcon_ext.recipe.limits` is refused while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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

KeyPath = tuple[str | int, ...]

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
    def __init__(self, message: str, line: int, path: KeyPath = ()) -> None:
        super().__init__(message)
        self.fault = Fault(path, line, message)


for _name, _pattern, _first in CORE_SCALARS:
    _CoreLoader.add_implicit_resolver(_TAG + _name, _pattern, _first)


@dataclass(frozen=True)
class Fault:
    """Something wrong in a text, before anybody asks what the text means."""

    path: KeyPath
    line: int | None
    message: str


@dataclass
class Document:
    """What a YAML text says.

    Attributes:
        value: Mappings, lists, text, numbers, booleans and None.
        lines: Line of every key and list item, from 1.
        faults: What is wrong in the text itself.
        set_by: Overrides that changed keys at the top since.
    """

    value: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    set_by: dict[KeyPath, str] = field(default_factory=dict)


def read_file(path: Path) -> Document:
    """Read a YAML file; a text that is no YAML gives a document with a fault and no value.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        raw = file.read(4 * LARGEST_TEXT + 1)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(raw) > 4 * LARGEST_TEXT:
            return _unread(_TOO_LONG)
        line = raw.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{raw[error.start]:02x} is none ({error.reason})"
        return _unread(f"Expected text in UTF-8, but {found}. Try: save it as UTF-8.", line)
    return read_text(text.replace("\r\n", "\n").replace("\r", "\n"))


def read_text(text: str) -> Document:
    """Read a YAML text; one that is no YAML gives a document with a fault and no value."""
    if len(text) > LARGEST_TEXT:
        return _unread(_TOO_LONG)
    document = Document(None)
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
        if node is not None:
            document.value = _value(node, (), document, Allowance())
    except _Costly as error:
        return Document(None, faults=[error.fault])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        line = None if mark is None else mark.line + 1
        return _unread(f"Expected YAML, but found an error {reason}.", line)
    except yaml.reader.ReaderError as error:
        letter, line = int(error.character), text.count("\n", 0, error.position) + 1
        return _unread(f"Expected YAML, but it has the character U+{letter:04X}.", line)
    except yaml.YAMLError as error:
        return _unread(f"Expected YAML, but {error}.")
    return document


_TOO_LONG = f"Expected a text of at most {LARGEST_TEXT:,} characters, but it is longer."


def _unread(message: str, line: int | None = None) -> Document:
    return Document(None, faults=[Fault((), line, message)])


def _value(
    node: yaml.Node,
    path: KeyPath,
    document: Document,
    allowance: Allowance,
    above: tuple[yaml.Node, ...] = (),
) -> Any:
    """The value of a node; ``above`` are the nodes that hold it."""
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if node in above:
        document.faults.append(
            Fault(path, line, "Expected no alias of a part that holds the alias.")
        )
        return None
    try:
        allowance.visit(len(above))
    except TooLargeError as error:
        raise _Costly(str(error), document.lines[path[:1]], path[:1]) from None
    if not isinstance(node, yaml.ScalarNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
        document.faults.append(Fault(path, line, _tagged(node)))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, document, allowance, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [
            _value(item, (*path, place), document, allowance, (*above, node))
            for place, item in enumerate(node.value)
        ]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, path, document)
    raise TypeError(f"Expected a YAML node, but got {node!r}")


def _tagged(node: yaml.Node) -> str:
    return f"Expected plain YAML, but got a tag `{node.tag}`."


def _mapping(
    node: yaml.MappingNode,
    path: KeyPath,
    document: Document,
    allowance: Allowance,
    above: tuple[yaml.Node, ...],
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.faults.append(Fault(path, line, "Expected plain text as a key."))
            continue
        key = _joined(str(key_node.value))
        fault = _MERGE_KEY if key == "<<" and key_node.style is None else text_fault(key)
        if fault is not None:
            document.faults.append(Fault(path, line, fault))
            continue
        here = (*path, key)
        if key in values:
            message = f"Expected each key once, but `{key}` is in line {document.lines[here]} too."
            document.faults.append(Fault(here, line, message))
            continue
        document.lines[here] = line
        values[key] = _value(value_node, here, document, allowance, above)
    return values


_MERGE_KEY = (
    "Expected a key, but got YAML's merge key `<<`, which is not read. Try: `extends`, or an alias "
    "in place of the whole value."
)


def _joined(text: str) -> str:
    """Text in which a pair of surrogates, JSON's escape of a rare character, is that character."""
    if text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _scalar(node: yaml.ScalarNode, path: KeyPath, document: Document) -> Any:
    text, line = str(node.value), node.start_mark.line + 1
    kind = node.tag.removeprefix(_TAG)
    if kind == "str":
        text = _joined(text)
        fault = text_fault(text)
        if fault is not None:
            document.faults.append(Fault(path, line, fault))
        if node.style is None and text.lower() in _YAML_1_1_TRUTHS:
            message = (
                f'Expected true or false, or text in quotes ("{text}"), but got a bare `{text}`, '
                "which some YAML readers take for true or false."
            )
            document.faults.append(Fault(path, line, message))
        return text
    value: Any = None
    try:
        if kind == "bool":
            value = {"true": True, "false": False}[text.lower()]
        elif kind == "int" and len(text) > _LONGEST_NUMBER:  # costly to read, and too large anyway
            value = LARGEST_NUMBER + 1
        elif kind == "int":
            value = int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        elif kind == "float":
            value = float(re.sub(r"\.(inf|nan)\Z", r"\1", text.lower()))
        elif kind != "null":
            document.faults.append(Fault(path, line, _tagged(node)))
    except (KeyError, ValueError):
        message = f"Expected a value of `{node.tag}`, but got `{text:.60}`."
        document.faults.append(Fault(path, line, message))
    fault = None if value is None else number_fault(value, text)
    if fault is not None:
        document.faults.append(Fault(path, line, fault))
        return None
    return value


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
                yield Fault(path, None, message)
                continue
            fault = text_fault(key)
            if fault is not None:
                yield Fault((*path, key), None, fault)
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
            yield Fault(path, None, fault)
