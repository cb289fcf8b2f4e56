"""``a.b.c=value`` from the command line, laid over a recipe."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from supcon_ext.recipe.layers import Layers, ValueOrigin, merge, within
from supcon_ext.recipe.limits import DEEPEST, LARGEST_TEXT, MOST_OVERRIDES, TOO_DEEP, text_fault
from supcon_ext.recipe.problems import COMMAND_LINE, Problem, nearest, shortened, shown
from supcon_ext.recipe.reading import KeyPath, read_text
from supcon_ext.recipe.schema_walk import is_term


def apply_overrides(layers: Layers, overrides: Sequence[str]) -> tuple[Layers, list[Problem]]:
    """Lay overrides over a recipe, in order, so that the last one wins.

    A step into a list is an index (``stages.0.epochs=3``), the name or kind of an item
    (``stages.warmup.epochs=3``, ``evaluation.knn.neighbours=20``), or a term
    (``stages.0.objective.contrastive.temperature=0.2``). The value is read as YAML.

    Args:
        layers: The recipe so far; left as it is.
        overrides: Texts ``path=value``.

    Returns:
        The recipe with all overrides that could be read, and what is wrong with the others.
    """
    if len(overrides) > MOST_OVERRIDES or sum(map(len, overrides)) > LARGEST_TEXT:
        message = (
            f"Expected at most {MOST_OVERRIDES} overrides of {LARGEST_TEXT:,} characters together, "
            f"but got {len(overrides):,} of {sum(map(len, overrides)):,}. Try: a recipe that "
            "`extends` this one"
        )
        return layers, [Problem(COMMAND_LINE, None, "", message)]
    problems = []
    for text in overrides:
        try:
            layers = _apply(layers, text)
        except ValueError as error:
            problems.append(Problem(COMMAND_LINE, None, text, str(error)))
    return layers, problems


def _apply(layers: Layers, text: str) -> Layers:
    name, equals, value_text = text.partition("=")
    steps = name.strip().split(".")
    if not equals or not all(steps):
        raise ValueError("Expected `key=value` with a dotted key, as in `stages.0.epochs=3`.")
    fault = text_fault(name) or (TOO_DEEP if len(steps) > DEEPEST else None)
    if fault is not None:
        raise ValueError(fault)
    document = read_text(value_text)
    if document.faults:
        raise ValueError(document.faults[0].message)
    value = dict(layers.value) if isinstance(layers.value, dict) else {}
    path = _walk(value, steps)
    origin = ValueOrigin("override", text, target=path)
    holder = _at(value, path[:-1])
    below = holder.get(path[-1]) if isinstance(holder, dict) else holder[path[-1]]
    origins = dict(layers.origins)
    inside = {
        place: origins.pop(place)
        for place in (path, *within(below, path))
        if place in layers.origins
    }
    for length in range(1, len(path)):
        origins.setdefault(path[:length], origin)
    merged = Layers(document.value, {path: origin})
    if below is not None:
        merged = merge(Layers(below, inside), merged, path)
    holder[path[-1]] = merged.value
    return Layers(value, {**origins, **merged.origins})


def _walk(value: Any, steps: Sequence[str]) -> KeyPath:
    """Where the steps lead; missing mappings on the way are made, short forms written out.

    What is on the way is copied, so that nothing else than ``value`` itself changes.
    """
    path: KeyPath = ()
    for place, step in enumerate(steps):
        holder = _at(value, path)
        keys = _keys(holder, step, path)
        for key in keys:
            path = (*path, key)
            _copy_at(value, path)
            if place + 1 < len(steps) or key != keys[-1]:
                _write_out(value, path)
    return path


def _keys(holder: Any, step: str, path: KeyPath) -> KeyPath:
    """The key, the index, or the index and the key, that a step stands for."""
    if isinstance(holder, dict):
        return (step,)
    if not isinstance(holder, list):
        raise ValueError(
            f"Expected a mapping or a list at `{dotted(path)}`, but it is {shown(holder)}."
        )
    if step.isdecimal() and len(step) < 10 and int(step) < len(holder):
        return (int(step),)
    names = [_name(item) for item in holder]
    if step in names:
        index = names.index(step)
        return (index, step) if is_term((*path, index)) else (index,)
    known = [name for name in names if name]
    near = nearest(step, known)
    raise ValueError(
        f"Expected an index below {len(holder)}"
        + (f" or a name ({', '.join(known)})" if known else "")
        + f" after `{dotted(path)}`, but got `{shortened(step, 60)}`."
        + (f" Did you mean `{near}`?" if near else "")
    )


def _name(item: Any) -> str | None:
    """What a list item is called: itself, its ``name`` or ``kind``, or its only key."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict):
        for key in ("name", "kind"):
            if isinstance(item.get(key), str):
                return str(item[key])
        if len(item) == 1:
            return str(next(iter(item)))
    return None


def _write_out(value: Any, path: KeyPath) -> None:
    """Make what is at ``path`` a mapping or a list, if it is nothing yet or a name."""
    holder = _at(value, path[:-1])
    inner = holder.get(path[-1]) if isinstance(holder, dict) else holder[path[-1]]
    if inner is None:
        holder[path[-1]] = {}
    elif isinstance(inner, str):
        long: dict[str, Any] = {inner: {}} if is_term(path) else {"kind": inner}
        holder[path[-1]] = long


def _at(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value


def _copy_at(value: Any, path: KeyPath) -> None:
    holder = _at(value, path[:-1])
    if not isinstance(holder, dict) or path[-1] in holder:
        holder[path[-1]] = copy.copy(holder[path[-1]])


def dotted(path: KeyPath) -> str:
    """A key path as people write it."""
    return ".".join(str(step) for step in path)
