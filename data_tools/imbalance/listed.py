"""The samples that a file of labels lists, such as those that people left after an audit."""

from __future__ import annotations

from pathlib import Path

from data_tools.imbalance.base import imbalance
from data_tools.labels_file import read_labels
from data_tools.samples import IntArray


@imbalance("listed")
def listed(label: IntArray, classes: int, *, file: str) -> IntArray:
    """The samples that a file of labels lists; all others are left out.

    Goes with the noise ``from_file`` of the same file, which gives them their labels.

    Args:
        label: ``(N,)`` int64 labels.
        classes: Number of classes C.
        file: Labels exported by this package, ``.npz`` or ``.csv``.

    Returns:
        Kept positions, int64, sorted ascending.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no exported labels, lists none, or samples that there are not.
    """
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of argument `file`, but {file} does not exist.")
    index = read_labels(path).index
    if not len(index) or index[0] < 0 or index[-1] >= len(label):
        first, last = (index[0], index[-1]) if len(index) else ("none", "none")
        raise ValueError(
            f"Expected places of some of {len(label)} samples in {file}, but got {first} to "
            f"{last}. Try: the data set that the labels were exported from."
        )
    return index
