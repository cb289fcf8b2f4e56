"""Which columns of a Hugging Face data set are samples and labels."""

from __future__ import annotations

from typing import Any

from data_tools.object_samples import ObjectSamples
from data_tools.picture import Mode
from data_tools.vector_checks import check_layout, check_numbers
from data_tools.vector_rows import VectorRows, stacked

SAMPLES = ("image", "img", "picture", "vector", "embedding", "features")
LABELS = ("label", "labels", "class")
"""Names that columns have by custom, the likeliest first."""


def is_huggingface(value: Any) -> bool:
    """Whether an object is a data set of the package `datasets` that gives items by index."""
    return hasattr(value, "column_names") and hasattr(value, "features") and hasattr(value, "cast")


def columns_of(
    data: Any, where: str, image: str | None = None, label: str | None = None
) -> tuple[str, str]:
    """Names of the columns of samples and of labels.

    Args:
        data: The data set.
        where: What it is, for messages.
        image: Name of the column of samples; None finds it: the only one of pictures, or one
            called as usual.
        label: Name of the column of labels; None finds it likewise, among classes.

    Raises:
        ValueError: There is no such column, or it is not clear which one is meant.
    """
    kinds = {name: type(kind).__name__ for name, kind in data.features.items()}
    return (
        _column(kinds, image, "Image", SAMPLES, "image", where),
        _column(kinds, label, "ClassLabel", LABELS, "label", where),
    )


def _column(
    kinds: dict[str, str],
    name: str | None,
    kind: str,
    usual: tuple[str, ...],
    option: str,
    where: str,
) -> str:
    if name is not None and name in kinds:
        return name
    ofkind = [each for each, its in kinds.items() if its == kind]
    called = [each for each in usual if each in kinds]
    if name is None and len(ofkind) == 1:
        return ofkind[0]
    if name is None and called and (not ofkind or called[0] in ofkind):
        return called[0]
    got = f"no `{name}` in" if name is not None else "none that is clear of"
    raise ValueError(
        f"Expected a column of {option}s in {where}, but got {got} its columns "
        f"{', '.join(kinds)}. Try: `{option}`, the name of one of them (from Python, "
        f"rename_column(..., '{option}'))"
    )


def samples_of(data: Any, column: str, mode: Mode, where: str) -> ObjectSamples | VectorRows:
    """The samples of a column; pictures are read when asked for, vectors at once.

    Raises:
        ValueError: It has vectors that cannot be used.
    """
    alone = data.select_columns([column])
    if type(data.features[column]).__name__ not in ("List", "LargeList", "Sequence"):
        return ObjectSamples(alone, column, mode, where)
    x = stacked(list(alone[column]), where)
    check_layout(x.shape, x.dtype, where)
    check_numbers(x, where)
    return VectorRows(x)


def class_names(data: Any, column: str) -> tuple[str, ...] | None:
    """Names of the classes where the column of labels has them."""
    names = getattr(data.features[column], "names", None)
    return None if names is None else tuple(str(name) for name in names)
