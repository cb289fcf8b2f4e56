"""What an encoder wants its samples to be like, as plain values that go with its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from data_tools.input_spec import Depth, InputSpec, Kind
from data_tools.picture import Mode
from data_tools.picture_reading import Reading
from data_tools.samples import SampleSet
from supcon_ext.experiment.build import plain_view
from supcon_ext.policies.base import View, ViewContext
from supcon_ext.policies.vector_view import VectorContext


@dataclass(frozen=True)
class Preprocessing:
    """How samples are made ready for an encoder.

    A picture's short side is resized to the encoder's size (up to 64 pixels) or to 8/7 of it, the
    centre is cropped, the numbers are divided by ``scale``, less ``mean``, divided by ``std``.

    Attributes:
        kind: ``image`` or ``vector``.
        channels: 1 (grey), 3 (red, green, blue) or others of pictures; the length of vectors.
        size: Side of the pictures in pixels; None on vectors.
        mean: Of each channel in [0, 1] units; of each coordinate of vectors.
        std: Likewise.
        dtype: Type of the pictures' numbers: uint8, uint16 or float32.
        scale: The value that stands for 1.
        flips: Whether a mirrored picture keeps its label.
    """

    kind: Kind
    channels: int
    size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: Depth
    scale: float
    flips: bool

    @staticmethod
    def of(context: ViewContext | VectorContext) -> Preprocessing:
        """What a run's policies are told."""
        spec = context.spec
        return Preprocessing(
            kind=spec.kind,
            channels=spec.channels,
            size=context.size if isinstance(context, ViewContext) else None,
            mean=tuple(map(float, context.mean)),
            std=tuple(map(float, context.std)),
            dtype=spec.dtype,
            scale=float(spec.scale),
            flips=spec.flips,
        )

    @staticmethod
    def read(values: dict[str, Any]) -> Preprocessing:
        """Of the plain values that :meth:`plain` gives.

        Raises:
            TypeError: They are others.
        """
        lists = {name: tuple(map(float, values[name])) for name in ("mean", "std")}
        return Preprocessing(**{**values, **lists})

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @property
    def spec(self) -> InputSpec:
        """What the samples are."""
        return InputSpec(self.kind, self.channels, self.dtype, None, self.scale, self.flips)

    @property
    def context(self) -> ViewContext | VectorContext:
        """What policies are told."""
        if self.size is None:
            return VectorContext(self.channels, self.mean, self.std)
        return ViewContext(
            self.size, self.channels, self.flips, self.mean, self.std, self.dtype, self.scale
        )

    @property
    def view(self) -> View:
        """What makes a sample ready: the view that evaluation uses."""
        return plain_view(self.context)

    @property
    def mode(self) -> Mode:
        """How files of pictures are read."""
        if self.spec.is_eight_bits and self.channels in (1, 3):
            return "grey" if self.channels == 1 else "rgb"
        return "stored"

    @property
    def reading(self) -> Reading:
        """The same, with the value that stands for 1 where files are read as they are stored."""
        return Reading(self.mode, self.scale if self.mode == "stored" else None)


def fitting_set(samples: SampleSet, wanted: Preprocessing) -> SampleSet:
    """Samples of a data set, if they are what an encoder was trained on.

    Raises:
        ValueError: They are not.
    """
    expect_spec(samples.spec, wanted)
    return samples


def expect_spec(spec: InputSpec, wanted: Preprocessing) -> None:
    """See that samples are what an encoder was trained on.

    Raises:
        ValueError: They are not.
    """
    found = (spec.kind, spec.channels, spec.dtype, float(spec.scale))
    if spec.kind == "vector":
        found = (*found[:2], wanted.dtype, wanted.scale)  # of whatever floats, they are read alike
    if found != (wanted.kind, wanted.channels, wanted.dtype, wanted.scale):
        raise ValueError(
            f"Expected {told(wanted.spec)}, as the encoder was trained on, but got {told(spec)}. "
            f"Try: {advice(wanted)}"
        )


def told(spec: InputSpec) -> str:
    """What samples are, in words."""
    if spec.kind == "vector":
        return f"vectors of {spec.channels} numbers"
    of = "" if spec.is_eight_bits else f", in which {spec.scale:g} stands for 1"
    return f"pictures of {spec.channels} channel{'s' * (spec.channels > 1)} of {spec.dtype}{of}"


def advice(wanted: Preprocessing) -> str:
    """How samples that fit are had."""
    if wanted.kind == "vector":
        return "vectors of the encoder that made the training vectors: supcon embed"
    if wanted.mode == "stored":
        return "`mode: stored` of the data set, with the training pictures' channels and `scale`"
    return f"`mode: {wanted.mode}` of the data set"
