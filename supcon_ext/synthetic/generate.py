"""Images made by a generator into a folder; what was done before a stop is gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.synthetic.caption_list import Caption
from supcon_ext.synthetic.generator import Asked, Generator
from supcon_ext.synthetic.image_folder import (
    IMAGES,
    WHOLE,
    ImageFolder,
    Shard,
    Wanted,
    caption_folder,
    in_order,
)
from supcon_ext.synthetic.image_seed import image_seed
from supcon_ext.tracking.run_info import package_versions


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        images: Images of the shard that are there.
        new: How many of them are new.
        refused: How many a safety checker left out, over all calls.
    """

    images: int
    new: int
    refused: int


def wanted_images(
    maker: Generator,
    captions: Sequence[Caption],
    each: int,
    seed: int,
    parents: Sequence[str] | None = None,
) -> list[Wanted]:
    """Every image that is asked for, in the order of the manifest.

    Args:
        maker: Who makes them.
        captions: What of; none for the maker's classes.
        each: How many of each caption or class.
        seed: Of all.
        parents: Names of the samples of the set that it was fitted on; None for their places.
    """
    asked: list[tuple[int | str, str, str]] = [
        (maker.settled(text), text, concept or _class_of(maker, text)) for text, concept in captions
    ]
    if not captions:
        labels = [label for label in range(len(maker.classes)) if maker.makes(label)]
        asked = [(label, maker.prompt_of(label), maker.classes[label]) for label in labels]
    common = {"generator": maker.name.split("`")[1], **maker.settings}
    wanted = []
    for what, caption, name in asked:
        place = caption_folder(caption or name)
        for k in range(each):
            parent = maker.parent_of(what, k, seed)
            told: dict[str, Any] = {"path": f"{IMAGES}/{place}/{k:05d}.png"}
            if caption:
                told |= {"caption_id": place, "caption": caption}
            if name:
                told["class"] = name
            if parent >= 0:
                told["parent_id"] = str(parent if parents is None else parents[parent])
            told |= {"k": k, "seed": image_seed(seed, what, k), **common}
            wanted.append(Wanted(told["path"], what, k, told))
    return in_order(wanted)


def make_images(
    maker: Generator,
    wanted: Sequence[Wanted],
    folder: Path,
    *,
    seed: int,
    shard: Shard = WHOLE,
    batch: int = 16,
    size: int | None = None,
    fitted_on: str | None = None,
    shown: bool = True,
) -> Made:
    """Make what is not there yet.

    Args:
        maker: Who makes them; fitted where it has to be.
        wanted: See :func:`wanted_images`.
        folder: Where to.
        seed: Of all.
        shard: Which part of the work to do.
        batch: Images between two looks at the clock.
        size: Side in pixels that images are kept at; None for the size that they are made at.
        fitted_on: Fingerprint of the data that the maker was fitted on.
        shown: Whether progress is shown.

    Raises:
        ValueError: The folder was begun with other settings, or is something else.
        CannotStart: Another process is at work on the shard.
        OSError: An image cannot be written.
        Interrupted: A signal came.
    """
    versions = package_versions()
    settings = {
        "generator": maker.name.split("`")[1],
        **maker.settings,
        "base_seed": seed,
        "kept_size": size,
        "fitted_on": fitted_on,
        "torch": versions.get("torch"),
    }
    part = [one for number, one in enumerate(wanted) if shard.has(number)]
    images = ImageFolder(folder, shard, part)
    new = 0
    with images.opened(settings) as missing:
        done = len(part) - len(missing)
        show = CountedProgress("making images", "images", done=done) if shown else nullcontext()
        with show as progress:
            for start in range(0, len(missing), batch):
                rows = missing[start : start + batch]
                made = maker.samples_or_none([Asked(one.what, one.k) for one in rows], seed)
                for one, picture in zip(rows, made, strict=True):
                    kept = None if picture is None else _image(picture, maker.spec, size)
                    images.add(one, kept)
                    new += picture is not None
                if progress is not None:
                    progress(done + start + len(rows), len(part))
    return Made(len(part) - len(images.refused), new, len(images.refused))


def _image(picture: ImageArray, spec: InputSpec, size: int | None) -> Any:
    from PIL import Image

    if spec.kind != "image" or spec.channels not in (1, 3) or spec.dtype == "float32":
        raise ValueError(
            f"Expected images of 1 or 3 channels of whole numbers to write as PNG, but got "
            f"{spec.kind}s of {spec.channels} channels of {spec.dtype}. Try: the source generated"
        )
    image = Image.fromarray(
        np.ascontiguousarray(picture if spec.channels == 3 else picture[..., 0])
    )
    if size is not None and image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BOX)
    return image


def _class_of(maker: Generator, text: str) -> str:
    """The class that a caption of the maker's own is of; empty where it is none of these."""
    for label, name in enumerate(maker.classes):
        if text in maker.captions_of(label):
            return name
    return ""
