"""No augmentation: what evaluation uses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.keyed import KeyColumns
from supcon_ext.policies.pipeline import Pipeline, transform
from supcon_ext.policies.vector_view import VectorContext, VectorView


class FirstView(VectorView):
    """The first stored view of a vector, whatever the key."""

    draws = False

    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """As it is."""
        return x


@policy("none", takes=("image", "vector"))
def none(
    context: ViewContext | VectorContext,
    *,
    crop_fraction: Annotated[float, Field(ge=0.1, le=1)] | None = None,
) -> View:
    """Resize the short side, then crop the centre; of vectors the first stored view.

    The same for every key.

    Args:
        context: Output size, channels and statistics; or width and statistics of vectors.
        crop_fraction: Share of the resized short side that the crop keeps. None is 1 up to 64
            pixels and 0.875 above (256 to 224, the ImageNet convention).

    Raises:
        ValueError: ``crop_fraction`` is not in [0.1, 1], or is given for vectors.
    """
    if isinstance(context, VectorContext):
        if crop_fraction is not None:
            raise ValueError(
                f"Expected no argument `crop_fraction` of policy none on vectors, but got "
                f"{crop_fraction}. Try: leave it out."
            )
        return FirstView(context)
    if crop_fraction is None:
        crop_fraction = 1.0 if context.small else 0.875
    check_bounds("crop_fraction", crop_fraction, 0.1, 1)
    size = context.size
    resize = transform(
        "SmallestMaxSize", max_size=round(size / crop_fraction), area_for_downscale="image"
    )
    return Pipeline([resize, transform("CenterCrop", height=size, width=size)], context)
