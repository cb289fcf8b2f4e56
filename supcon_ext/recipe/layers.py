"""Documents laid over each other: mappings merge, the rest is replaced, values have origins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from supcon_ext.recipe.reading import Document, KeyPath
from supcon_ext.recipe.schema_walk import default_kind


@dataclass(frozen=True)
class ValueOrigin:
    """Where a value was written.

    Attributes:
        layer: The recipe's own ``file``, a file it ``extends``, or an ``override``.
        source: The file as named, or the whole override.
        line: Line in the file, from 1.
        target: Path that an override sets.
    """

    layer: Literal["file", "extends", "override"]
    source: str
    line: int | None = None
    target: KeyPath = ()


@dataclass
class Layers:
    """The merged document so far.

    Attributes:
        value: What the merged documents say.
        origins: Where each value was written; what is missing here came with what holds it.
    """

    value: Any
    origins: dict[KeyPath, ValueOrigin] = field(default_factory=dict)

    @classmethod
    def of_document(
        cls, document: Document, layer: Literal["file", "extends"], source: str
    ) -> Layers:
        """One file as the only layer."""
        origins = {p: ValueOrigin(layer, source, line) for p, line in document.lines.items()}
        return cls(document.value, origins)

    def origin(self, path: KeyPath) -> ValueOrigin | None:
        """Where the value at ``path``, or the nearest thing that holds it, was written."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return None


def merge(base: Layers, over: Layers, path: KeyPath = ()) -> Layers:
    """Lay ``over`` over ``base``; neither is changed.

    A part may be written ``name`` or ``{kind: name, ...}``. A mapping that names another kind than
    the one below it takes over nothing, for the parameters below it are the other kind's.

    Args:
        base: The lower layer.
        over: The upper layer, which wins.
        path: Where in a recipe the values of both are.
    """
    origins: dict[KeyPath, ValueOrigin] = {}
    return Layers(_merge(base, over, path, base.value, over.value, origins), origins)


def _merge(
    base: Layers,
    over: Layers,
    path: KeyPath,
    below: Any,
    above: Any,
    origins: dict[KeyPath, ValueOrigin],
) -> Any:
    if isinstance(below, str) and isinstance(above, dict):
        below = {"kind": below}
    elif isinstance(above, str) and isinstance(below, dict) and _is_part(below, path):
        above = {"kind": above}
    if not (isinstance(below, dict) and isinstance(above, dict)) or _differ(below, above, path):
        _copy_origins(over, path, above, origins)
        return above
    for layer in (base, over):
        if path in layer.origins:
            origins[path] = layer.origins[path]
    merged: dict[str, Any] = {}
    for key in {**below, **above}:
        here = (*path, key)
        if key in below and key in above:
            merged[key] = _merge(base, over, here, below[key], above[key], origins)
        else:
            layer, merged[key] = (over, above[key]) if key in above else (base, below[key])
            _copy_origins(layer, here, merged[key], origins)
    return merged


def _differ(below: dict[str, Any], above: dict[str, Any], path: KeyPath) -> bool:
    """Whether the upper mapping names another kind than the lower one is of."""
    kind = below.get("kind", default_kind(path))
    return bool(above.get("kind", kind) != kind)


def _is_part(value: dict[str, Any], path: KeyPath) -> bool:
    return "kind" in value or default_kind(path) is not None


def _copy_origins(
    source: Layers, path: KeyPath, value: Any, origins: dict[KeyPath, ValueOrigin]
) -> None:
    """Take over the origins of ``path`` and of all that is in the value there."""
    nearest = source.origin(path)
    if nearest is not None:
        origins[path] = nearest
    for place in within(value, path):
        if place in source.origins:
            origins[place] = source.origins[place]


def within(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Path of each thing in a value, which is at ``path`` itself."""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for step, inner in items:
        yield (*path, step)
        yield from within(inner, (*path, step))
