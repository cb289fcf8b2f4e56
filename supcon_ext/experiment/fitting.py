"""Parts that are given samples of a kind which they do not take are refused, and others named."""

from __future__ import annotations

from collections.abc import Iterable

from data_tools.registry import Spec, family, part_name
from supcon_ext.training.stage import Stage

_SAID = {"image": "images", "vector": "vectors"}


def expect_fit(spec: Spec, kind: str) -> None:
    """Refuse a policy or a backbone that does not take the data set's kind of samples.

    Args:
        spec: The part.
        kind: ``image`` or ``vector``.

    Raises:
        ValueError: It does not; the message names those that do.
    """
    registry = family(spec.family)
    takes = registry.get(spec.kind).takes
    if kind in takes:
        return
    raise ValueError(
        f"Expected a {spec.family} for {_SAID[kind]}, which the data set holds, but got "
        f"{part_name(spec.family, spec.kind)}, which takes "
        f"{' or '.join(_SAID[each] for each in sorted(takes))}. "
        f"Try: {', '.join(registry.that_take(kind))}"
    )


def expect_terms_fit(stages: Iterable[Stage], kind: str) -> None:
    """Refuse terms that are set to do to vectors what only images bear.

    Raises:
        ValueError: There is one.
    """
    if kind == "image":
        return
    for stage in stages:
        for name, term in stage.objective:
            if term.images_only is not None:
                raise ValueError(
                    f"Expected no `{term.images_only}` in {name} of stage {stage.name} on vectors, "
                    f"but got {getattr(term, term.images_only)}. Try: {term.images_only}: 0"
                )
