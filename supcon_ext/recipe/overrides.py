"""``a.b.c=value`` from the command line, laid over a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from supcon_ext.recipe.layers import merge
from supcon_ext.recipe.limits import DEEPEST, LARGEST_TEXT, MOST_OVERRIDES, TOO_DEEP, text_fault
from supcon_ext.recipe.origins import Items, Key, KeyPath, ValueOrigin
from supcon_ext.recipe.problems import COMMAND_LINE, Problem, nearest, shortened, shown
from supcon_ext.recipe.reading import read_text
from supcon_ext.recipe.schema_walk import is_term


def apply_overrides(value: Any, overrides: Sequence[str]) -> tuple[Any, list[Problem]]:
    """Lay overrides over a recipe, in order, so that the last one wins.

    A step into a list is an index (``stages.0.epochs=3``), the name or kind of an item
    (``stages.warmup.epochs=3``, ``evaluation.knn.neighbours=20``), or a term
    (``stages.0.objective.contrastive.temperature=0.2``). The value is read as YAML.

    Args:
        value: The recipe so far; left as it is.
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
        return value, [Problem(COMMAND_LINE, None, "", message)]
    problems = []
    for text in overrides:
        try:
            value = _apply(value, text)
        except ValueError as error:
            problems.append(Problem(COMMAND_LINE, None, text, str(error)))
    return value, problems


def _apply(recipe: Any, text: str) -> Any:
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
    value = dict(recipe) if isinstance(recipe, dict) else {}
    origin = ValueOrigin("override", text)
    path = _walk(value, steps, origin)
    origin = replace(origin, target=path)
    holder = _at(value, path[:-1])
    below = _in(holder, path[-1])
    above = _from(document.value, origin)
    _put(holder, path[-1], above if below is None else merge(below, above, path), origin)
    return value


def _from(value: Any, origin: ValueOrigin) -> Any:
    """A value all of which was written in one place."""
    if isinstance(value, dict):
        return {Key.at(key, origin): _from(inner, origin) for key, inner in value.items()}
    if isinstance(value, list):
        items = Items(_from(item, origin) for item in value)
        items.origins = [origin] * len(items)
        return items
    return value


def _put(holder: dict[str, Any] | Items, step: str | int, value: Any, origin: ValueOrigin) -> None:
    """Set a value in a mapping or a list, and where it was written."""
    if isinstance(holder, Items) and isinstance(step, int):
        holder[step] = value
        holder.origins = [*holder.origins[:step], origin, *holder.origins[step + 1 :]]
    elif isinstance(holder, dict):
        key = Key.at(str(step), origin)
        items = {**holder, key: value}
        holder.clear()
        holder.update({key if each == key else each: inner for each, inner in items.items()})


def _walk(value: Any, steps: Sequence[str], origin: ValueOrigin) -> KeyPath:
    """Where the steps lead; missing mappings on the way are made, short forms written out.

    What is on the way is copied, so that nothing else than ``value`` itself changes.
    """
    path: KeyPath = ()
    for place, step in enumerate(steps):
        keys = _keys(_at(value, path), step, path)
        for key in keys:
            holder = _at(value, path)
            path = (*path, key)
            inner = _in(holder, key)
            goes_on = place + 1 < len(steps) or key != keys[-1]
            if inner is None and goes_on:
                _put(holder, key, {}, origin)
            elif isinstance(inner, str) and goes_on:
                long: dict[str, Any] = {inner: {}} if is_term(path) else {"kind": inner}
                holder[key] = long
            elif isinstance(inner, dict):
                holder[key] = dict(inner)
            elif isinstance(inner, list):
                copied = Items(inner)
                origins = getattr(inner, "origins", ())
                copied.origins = [*origins, *[None] * (len(inner) - len(origins))]
                holder[key] = copied
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


def _in(holder: Any, step: str | int) -> Any:
    return holder.get(step) if isinstance(holder, dict) else holder[step]


def _at(value: Any, path: KeyPath) -> Any:
    for step in path:
        value = value[step]
    return value


def dotted(path: KeyPath) -> str:
    """A key path as people write it."""
    return ".".join(str(step) for step in path)
