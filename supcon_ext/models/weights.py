"""Weights from a file put into an encoder, and what of them does not fit.

Files of other programs wrap an encoder in names of their own (``module.``, ``backbone.``,
``state_dict``, ...). Whatever stands before the names that the encoder knows is taken off.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from data_tools.torch_file import load_torch_file
from supcon_ext.models.base import Backbone

COUNTER = "num_batches_tracked"  # of batch norms: old files have none, and nothing rests on it
SHOWN = 3


@dataclass(frozen=True)
class WeightsFile:
    """What a file of weights holds.

    Attributes:
        path: Where it is.
        sha256: Of its bytes, in 64 hexadecimal digits.
        tensors: By the name in the file; names of nested mappings are joined by dots.
    """

    path: Path
    sha256: str
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Fit:
    """Which weights of a file fit an encoder.

    Attributes:
        fitting: By the name in the encoder's trunk.
        missing: Names that the file has not.
        unexpected: Names in the encoder's part of the file that the encoder has not.
        shapes: Names that both have in different shapes, with the two: the encoder's, the file's.
        others: Number of tensors in the file that are of no part of the encoder, such as heads.
        wanted: Number of the encoder's tensors, counters of batches aside.
    """

    fitting: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    others: int
    wanted: int

    @property
    def count(self) -> int:
        """Number of tensors that fit, counters of batches aside."""
        return sum(not name.endswith(COUNTER) for name in self.fitting)

    @property
    def whole(self) -> bool:
        """Whether the file has the encoder, no more of it and no less."""
        return not (self.missing or self.unexpected or self.shapes)

    def __str__(self) -> str:
        """One line: how many fit, and the first that do not."""
        shapes = [f"{name} {mine} not {theirs}" for name, (mine, theirs) in self.shapes.items()]
        parts = [f"{self.count} of {self.wanted} tensors of the encoder fit"]
        for what, names in (
            ("missing in the file", self.missing),
            ("unknown to the encoder", self.unexpected),
            ("of another shape", shapes),
        ):
            if names:
                more = ", ..." if len(names) > SHOWN else ""
                parts.append(f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})")
        if self.others:
            parts.append(f"{self.others} of other parts, such as heads, left aside")
        return "; ".join(parts)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path) -> WeightsFile:
    """Read a file of weights to the CPU, without running anything that it holds.

    Args:
        path: A safetensors file, or one of ``torch.save``.

    Raises:
        ValueError: There is no such file, or it holds no weights.
    """
    expected = f"Expected a file of weights, safetensors or of torch.save, at {path}"
    if not path.is_file():
        raise ValueError(f"{expected}, but {'got a folder' if path.is_dir() else 'there is none'}")
    try:
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = load_torch_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"{expected}, but it cannot be read: {first}") from error
    tensors = dict(_tensors(content))
    if not tensors:
        raise ValueError(f"{expected}, but got one without a tensor that has a name")
    return WeightsFile(path, file_digest(path), tensors)


def _tensors(value: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor) and prefix:
        yield prefix, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _tensors(inner, f"{prefix}.{name}" if prefix else str(name))


def fit_of(backbone: Backbone, tensors: Mapping[str, Tensor]) -> Fit:
    """Compare the tensors of a file with those of an encoder."""
    wanted = backbone.trunk.state_dict()
    prefix = _prefix(wanted, tensors)
    tops = {name.partition(".")[0] for name in wanted}
    inside = {
        name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)
    }
    fitting = {n: t for n, t in inside.items() if n in wanted and t.shape == wanted[n].shape}
    shapes = {
        name: (tuple(wanted[name].shape), tuple(tensor.shape))
        for name, tensor in inside.items()
        if name in wanted and name not in fitting
    }
    missing = [n for n in wanted if n not in inside and not n.endswith(COUNTER)]
    unexpected = [n for n in inside if n not in wanted and n.partition(".")[0] in tops]
    others = len(tensors) - len(fitting) - len(shapes) - len(unexpected)
    count = sum(not name.endswith(COUNTER) for name in wanted)
    return Fit(fitting, tuple(missing), tuple(unexpected), shapes, others, count)


def _prefix(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """What stands before the encoder's names: the prefix of most of them, the shortest if equal."""
    found: Counter[str] = Counter({"": 0})
    for name, tensor in tensors.items():
        parts = name.split(".")
        for cut in range(len(parts)):
            known = wanted.get(".".join(parts[cut:]))
            if known is not None:
                same = known.shape == tensor.shape
                found["".join(f"{part}." for part in parts[:cut])] += 1 + same
    return min(found, key=lambda prefix: (-found[prefix], len(prefix)))


def load_weights(
    backbone: Backbone, file: WeightsFile, *, partial: bool = False, choice: str = ""
) -> Fit:
    """Put the weights of a file into an encoder.

    Args:
        backbone: Changed in place.
        file: What was read.
        partial: Whether weights that fit in part only are taken.
        choice: How the caller's user says that they are, if that can be said.

    Returns:
        What was found to fit.

    Raises:
        ValueError: The weights are of another architecture.
    """
    fit = fit_of(backbone, file.tensors)
    if not fit.count or not (fit.whole or partial):
        advice = "the backbone that the weights are of"
        if fit.count and choice:
            advice += f", or {choice}, which keeps first weights for the rest"
        raise ValueError(
            f"Expected weights of this encoder in {file.path}, but of them {fit}. "
            f"It has {', '.join(list(file.tensors)[:SHOWN])}, .... Try: {advice}"
        )
    backbone.trunk.load_state_dict(fit.fitting, strict=False)
    return fit
