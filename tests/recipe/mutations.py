"""Shipped recipes and sweeps, spoilt in every way that a person or a program may spoil one."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from supcon_ext.recipe import list_recipes
from supcon_ext.recipe.components import list_components
from supcon_ext.recipe.library import find_recipe
from supcon_ext.recipe.reading import read_file
from supcon_ext.recipe.resolved import dump

Path_ = tuple[str | int, ...]
SHIPPED = {info.name: info for info in list_recipes()}
RECIPES = [name for name, info in SHIPPED.items() if not info.is_sweep]
SWEEPS = [name for name, info in SHIPPED.items() if info.is_sweep]


def document(name: str) -> dict[str, Any]:
    """What a shipped file says, written out with what it extends left as it is."""
    value: dict[str, Any] = read_file(SHIPPED[name].path).value
    return value


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, dict):
        steps: Any = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    else:
        return
    for step, inner in steps:
        yield (*path, step)
        yield from paths(inner, (*path, step))


PLACES = {name: list(paths(document(name))) for name in SHIPPED}
KEYS = sorted(
    {str(step) for places in PLACES.values() for path in places for step in path}
    | {parameter.name for part in list_components() for parameter in part.parameters}
    | {"extends", "plugins", "kind", "seeds", "seed_keys", "grid", "<<", "", "a.b"}
)
KINDS = sorted({part.name for part in list_components()})
WORDS = [
    *("on", "off", "yes", "no", "y", "n", "null", "~", "true", "True", "Off", "NaN", ".nan"),
    *("nan", "inf", "-inf", ".inf", "1e400", "1e-400", "0x10", "0o17", "010", "1_000", "1:30"),
    *("2001-01-01", "12e03", "=", "<<", "!!int", "&a", "*a", "none", "auto", "", " ", "\t", "'"),
    *("..", ".", "/", "a.b", ".a", "a.", "a..b", "os.path", "os.getcwd", "math.pi", "builtins.int"),
    *("json.JSONDecoder", "collections.abc.Mapping", "typing.Any", "data_tools.registry.Part"),
    *("é", "日本", "😀", "a\u202eb", "\x1b[2J", "\x00", "\x85", "\ufeff", "a" * 300),
]
numbers = (
    st.integers(-3, 12)
    | st.sampled_from([-1, 0, 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, -(2**63), 10**40])
    | st.floats(-2, 2)
    | st.sampled_from([1e-300, 1e300, -1e300, 0.5, 1.0, float("nan"), float("inf"), 5e-324])
)
scalars = (
    st.none()
    | st.booleans()
    | numbers
    | st.sampled_from(WORDS)
    | st.sampled_from(KEYS)
    | st.sampled_from(KINDS)
    | st.text(max_size=4)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=5,
)


@dataclass(frozen=True)
class Mutation:
    """One thing done at one place of a document."""

    at: Path_
    act: str
    value: Any
    key: str
    other: Path_


ACTS = "replace delete rename add nest listify empty transplant negate grow retype".split()


def mutations(name: str) -> st.SearchStrategy[list[Mutation]]:
    """One to three mutations of a shipped file."""
    place = st.sampled_from(PLACES[name])
    keys = st.sampled_from(KEYS) | st.sampled_from(WORDS) | st.text(max_size=3)
    one = st.builds(Mutation, place, st.sampled_from(ACTS), anything, keys, place)
    return st.lists(one, min_size=1, max_size=3)


def spoilt(name: str, done: list[Mutation]) -> dict[str, Any]:
    """A shipped file's document after mutations; what they no longer find, they leave."""
    value = copy.deepcopy(document(name))
    for mutation in done:
        holder = inner(value, mutation.at[:-1])
        step = mutation.at[-1]
        try:
            before = holder[step]
        except (KeyError, IndexError, TypeError):
            continue
        _act(mutation, value, holder, step, before)
    return value


def _act(m: Mutation, value: Any, holder: Any, step: Any, before: Any) -> None:
    made: dict[str, Callable[[], Any]] = {
        "replace": lambda: m.value,
        "nest": lambda: {m.key: before},
        "listify": lambda: [before],
        "empty": lambda: type(before)() if isinstance(before, (dict, list, str)) else None,
        "transplant": lambda: copy.deepcopy(inner(value, m.other)),
        "negate": lambda: -before if isinstance(before, (int, float)) else m.value,
        "grow": lambda: before * 10**9 if isinstance(before, (int, float)) else m.value,
        "retype": lambda: str(before) if not isinstance(before, str) else 1,
    }
    if m.act in made:
        holder[step] = made[m.act]()
    elif m.act == "delete":
        del holder[step]
    elif m.act == "rename" and isinstance(holder, dict):
        holder[m.key] = holder.pop(step)
    elif m.act == "add" and isinstance(before, dict):
        before[m.key] = m.value
    elif m.act == "add" and isinstance(before, list):
        before.append(m.value)


def inner(value: Any, path: Path_) -> Any:
    """What a document has at a place; None for nothing."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


SPLICES = [
    *("\t", "  ", "\n", "\r", ":", "-", "- ", "{", "}", "[", "]", ",", "#", "&a ", "*a", "? "),
    *("!!int ", "%", "@", "`", "|", ">", '"', "'", "\0", "\x1b", "\ufeff", "\u2028", "<<: *a\n"),
    *("---\n", "...\n", "é", "999999999999999999999", "1e999", "on", "no"),
]


@st.composite
def texts(draw: st.DrawFn, name: str) -> str:
    """A shipped file's text with lines taken out, doubled, moved, or characters put in."""
    lines = find_recipe(name).read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [line for line in lines if not re.match(r"\s*#", line)]
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, max(0, len(lines) - 1)))
        line = lines[number] if lines else ""
        act = draw(
            st.sampled_from(["drop", "double", "indent", "outdent", "splice", "cut", "swap"])
        )
        column = draw(st.integers(0, max(0, len(line) - 1)))
        lines[number : number + 1] = {
            "drop": [],
            "double": [line, line],
            "indent": ["  " + line],
            "outdent": [line.removeprefix("  ")],
            "splice": [line[:column] + draw(st.sampled_from(SPLICES)) + line[column:]],
            "cut": [line[:column]],
            "swap": [*lines[number + 1 : number + 2], line],
        }[act]
    return "".join(lines)


@st.composite
def overrides(draw: st.DrawFn, name: str) -> str:
    """An override of some key of a shipped file, or of something like one."""
    steps = [str(step) for step in draw(st.sampled_from(PLACES[name]))]
    act = draw(st.sampled_from(["keep", "cut", "rename", "append", "double", "odd"]))
    place = draw(st.integers(0, len(steps) - 1))
    if act == "cut":
        steps = steps[: place + 1]
    elif act == "rename":
        steps[place] = draw(st.sampled_from(KEYS) | st.sampled_from(WORDS))
    elif act == "append":
        steps.append(draw(st.sampled_from(KEYS) | st.integers(-2, 30).map(str)))
    elif act == "double":
        steps[place:place] = [steps[place]]
    key = ".".join(steps) if act != "odd" else draw(st.sampled_from(WORDS) | st.text(max_size=8))
    value = draw(
        st.sampled_from(WORDS)
        | anything.map(lambda value: dump(value).strip().removesuffix("\n..."))
        | st.sampled_from(["[", "{", "{a", "]", '"', "'", "|", "- a", "a: b: c", "!!int x", "*a"])
    )
    return f"{key}={value}" if draw(st.integers(0, 19)) else key


def few_runs(value: dict[str, Any]) -> dict[str, Any]:
    """A sweep cut down to at most two choices on each axis and one seed."""
    grid = value.get("grid")
    if isinstance(grid, dict):
        for axis, choices in grid.items():
            if isinstance(choices, dict):
                grid[axis] = dict(list(choices.items())[:2])
            elif isinstance(choices, list):
                grid[axis] = choices[:2]
    if isinstance(value.get("seeds"), list):
        value["seeds"] = value["seeds"][:1]
    return value


def write(folder: Path, value: Any) -> Path:
    """A document as a file."""
    path = folder / "spoilt.yaml"
    path.write_text(dump(value), encoding="utf-8", errors="surrogatepass")
    return path
