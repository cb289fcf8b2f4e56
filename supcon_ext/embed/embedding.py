"""Pictures in, a file of vectors out; what was done before a stop is gone on with.

Letters: B samples of a batch, V views of each, F features.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic_core import PydanticCustomError
from torch import Tensor

from data_tools.printable import printable
from data_tools.registry import Spec, family
from data_tools.samples import ImageArray, IntArray
from data_tools.vector_file import read_vectors, write_vectors
from data_tools.vector_formats import RESERVED
from supcon_ext.embed.device import device_of
from supcon_ext.embed.encoder import PLAIN, Encoder, find_encoder
from supcon_ext.embed.partial import PartialVectors, partial_beside
from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.checked_parts import view_of
from supcon_ext.experiment.given_samples import SPLITS, GivenSamples, read_samples
from supcon_ext.experiment.launch import determinism
from supcon_ext.experiment.named_data import NamedData, named_data
from supcon_ext.experiment.workers import workers_at_hand
from supcon_ext.feed.workers import WorkerFeed
from supcon_ext.interrupt import Interrupted
from supcon_ext.policies.base import View
from supcon_ext.progress.counted_progress import CountedProgress
from supcon_ext.progress.file_progress import FileProgress
from supcon_ext.tracking.run_info import package_versions

BATCH = 128


@dataclass(frozen=True)
class EmbedResult:
    """What was made.

    Attributes:
        path: The file.
        shape: Of its vectors, ``(N, F)`` or ``(N, V, F)``.
        left_out: Pictures that could not be read on the way.
        again: Whether the file was there already, of the same encoder, data and arguments.
    """

    path: Path
    shape: tuple[int, ...]
    left_out: int = 0
    again: bool = False


def embed_pictures(
    encoder: str,
    data: str,
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    weights: str | Path | None = None,
    views: int = 1,
    policy: Any = PLAIN,
    seed: int = 0,
    size: int | None = None,
    half: bool = False,
    splits: tuple[str, ...] = SPLITS,
    skip_bad: bool = False,
    batch: int = BATCH,
    workers: int = 0,
    device: str = "auto",
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> EmbedResult:
    """Write the vectors that an encoder makes of pictures to a file.

    What is killed on the way goes on when it is called again with the same arguments, to the same
    bytes; so does any number of workers.

    Args:
        encoder: See :func:`~supcon_ext.embed.encoder.find_encoder`.
        data: See :func:`~supcon_ext.experiment.named_data.named_data`; taken before noise and
            imbalance. Files that say nothing of it are read as the encoder's own training had them.
        out: The file to make, ``.npz``; see :func:`~data_tools.vector_file.write_vectors`.
        overrides: ``KEY=VALUE`` beside a recipe.
        weights: File of weights for timm's network or a plug-in's.
        views: V, vectors of each picture; several need a policy that draws.
        policy: Name of the policy that makes the views, or a mapping with ``kind``; ``none`` is the
            view that evaluation uses.
        seed: Of the views: each is drawn with the key ``(seed, sample, view)``.
        size: Side of the pictures in pixels; None for the encoder's own.
        half: Whether vectors are stored as float16.
        splits: Which splits to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        batch: Pictures at a time.
        workers: Processes that read pictures.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        force: Let an existing file be replaced that was made otherwise.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: Something is wrong with the arguments, the data or the encoder.
        OSError: Something cannot be read, or the file cannot be written.
        Interrupted: A signal came; the message says how far it was.
    """
    target = Path(out)
    with starting():
        _check_target(target)
        chosen = _policy(policy, views)
        file = None if weights is None else Path(weights)
        make = find_encoder(encoder, weights=file, size=size, tell=tell)
        named = named_data(data, overrides, reading=make.reading)
        _expect_pictures(named)
        with FileProgress() as files:
            pictures = read_samples(named, splits=splits, skip_bad=skip_bad, progress=files)
        _check_columns(pictures)
        made = make(pictures.samples.spec.channels)
        chosen, place = made.settled(chosen), device_of(device)
        kind = np.dtype("float16" if half else "float32")
        meta = {
            "encoder": encoder,
            "weights": made.weights_hash(),
            "policy": chosen.as_dict(),
            "views": views,
            "seed": seed,
            "size": made.size,
            "mean": list(made.mean),
            "std": list(made.std),
            "data": data if named.what == "a data set" else Path(data).name,
            "fingerprint": pictures.fingerprint,
            "dtype": str(kind),
            "batch": batch,
            "device": place.type,
            "packages": package_versions(),
        }
        if target.exists() and not force:
            return _there_already(target, meta)
        view = view_of(chosen, made.context(pictures.samples.spec))
    shape = (made.network.dim,) if views == 1 else (views, made.network.dim)
    tell(
        f"{len(pictures):,} pictures of {data}, {made.size} px; {encoder}, "
        f"{made.network.dim:,} features, on {place}"
    )
    with partial_beside(target, meta, shape, kind) as partial:
        if partial.begun_anew:
            tell("begun anew: pictures, encoder, arguments or packages are not those of before")
        elif partial.done:
            tell(f"going on after {partial.done:,} pictures")
        with determinism(True, seed, 0):
            _embed(made, place, pictures, Views(view, views), partial, seed, batch, workers)
        left_out = _write(target, pictures, partial, meta)
    return EmbedResult(target, (len(pictures) - left_out, *shape), left_out)


@dataclass(frozen=True)
class Views:
    """Several views of a sample at once.

    Attributes:
        view: Draws one.
        count: V.
    """

    view: View
    count: int

    def __call__(self, image: ImageArray, key: tuple[int, ...]) -> Tensor:
        """``(V, C, size, size)``, each view drawn with the key and its number."""
        return torch.stack([self.view(image, (*key, number)) for number in range(self.count)])


@dataclass(frozen=True)
class _Keys:
    """The key of a sample by its row, whichever splits are taken."""

    seed: int
    number: IntArray

    def __call__(self, row: int) -> tuple[int, ...]:
        return self.seed, int(self.number[row])


@torch.inference_mode()
def _embed(
    encoder: Encoder,
    device: torch.device,
    pictures: GivenSamples,
    views: Views,
    partial: PartialVectors,
    seed: int,
    batch: int,
    workers: int,
) -> None:
    """All batches that are not made yet, each as it would be in an uninterrupted pass."""
    network, count = encoder.network.to(device), len(pictures)
    samples_a_batch = max(1, batch // views.count)
    feed = WorkerFeed(pictures.samples, workers=workers_at_hand(workers))
    places = torch.arange(partial.done, count)
    keys = _Keys(seed, pictures.number)
    try:
        with CountedProgress("embedding", "images", done=partial.done) as progress:
            batches = feed.plain(pictures.samples, views, places, samples_a_batch, keys)
            for x_BVCHW, told in batches if len(places) else ():
                x = x_BVCHW.flatten(0, 1).to(device)
                vectors = network(x).float().cpu().numpy()
                with np.errstate(over="ignore"):  # told of by the check
                    rows = vectors.reshape(len(told), *partial.shape).astype(partial.dtype)
                _check(rows, told, pictures, views.count)
                partial.append(rows, [~place for place in told.tolist() if place < 0])
                progress(partial.done, count)
    except Interrupted as error:
        raise Interrupted(
            f"{error} after {partial.done:,} of {count:,} pictures; the same command goes on there",
            error.number,
        ) from error
    finally:
        partial.save()


def _check(rows: npt.NDArray[Any], told: Tensor, pictures: GivenSamples, views: int) -> None:
    """Refuse vectors that no training can use, at once and not when all are made."""
    of_views: npt.NDArray[Any] = rows.reshape(len(told), views, -1)
    largest = np.abs(of_views).max(axis=2)  # NaN where there is one
    broken = ~((largest > 0) & (largest < np.inf)).all(axis=1)
    broken &= told.numpy() >= 0
    if not broken.any():
        return
    place = int(told[int(broken.argmax())])
    paths = pictures.samples.columns.get("path")
    name = f"picture {place}" if paths is None else printable(paths[place])
    hint = "without --half" if rows.dtype == np.float16 else "another encoder, or other weights"
    raise ValueError(
        f"Expected finite features that are not all zero, in {rows.dtype}, but the encoder gives "
        f"others for {name}, and for {int(broken.sum())} of these {len(told)} pictures. "
        f"Try: {hint}."
    )


def _write(
    target: Path, pictures: GivenSamples, partial: PartialVectors, meta: Mapping[str, Any]
) -> int:
    """The whole file; how many pictures it leaves out since they could not be read."""
    vectors, samples = partial.rows(), pictures.samples
    kept: Any = slice(None)
    if partial.gone:
        kept = np.setdiff1d(np.arange(len(pictures)), partial.gone)
    columns = {name: np.asarray(column)[kept] for name, column in samples.columns.items()}
    if "path" in columns:
        columns["path"] = _seen_from(target, columns["path"])
    write_vectors(
        target,
        vectors[kept],
        label=samples.label[kept] if pictures.labelled else None,
        classes=samples.classes if pictures.labelled else None,
        split=pictures.split[kept] if pictures.parted else None,
        columns=columns,
        meta=meta,
    )
    return len(partial.gone)


def _seen_from(target: Path, paths: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Paths from the file's folder where they lie below it, else absolute ones."""
    folder = os.path.abspath(target.parent)
    made = []
    for path in paths:
        absolute = os.path.abspath(path)
        below = os.path.commonpath([absolute, folder]) == folder
        made.append(os.path.relpath(absolute, folder) if below else absolute)
    return np.asarray(made, dtype=object)


def _policy(policy: Any, views: int) -> Spec:
    try:
        chosen = family("policy").spec(policy)
    except PydanticCustomError as error:  # a ValidationError is a ValueError
        raise ValueError(error.message()) from error
    if views > 1 and chosen.kind == PLAIN:
        raise ValueError(
            f"Expected a policy that draws for {views} views of each picture, but got {PLAIN}, "
            "which makes the same of each. Try: --policy simaugment."
        )
    return chosen


def _check_target(target: Path) -> None:
    if target.suffix.lower() != ".npz":
        raise ValueError(f"Expected a file that ends in .npz to write to, but got {target}.")
    if not target.parent.is_dir():
        raise ValueError(f"Expected a file in a folder that exists, but got {target}.")
    if target.is_dir():
        raise ValueError(f"Expected a file to write to, but {target} is a folder.")


def _expect_pictures(named: NamedData) -> None:
    if named.source.train.spec.kind != "image":
        raise ValueError(
            f"Expected a data set of pictures, but {printable(named.text)} holds vectors. "
            "Try: a recipe or a folder of pictures."
        )


def _check_columns(pictures: GivenSamples) -> None:
    taken = sorted(pictures.samples.columns.keys() & RESERVED)
    if taken:
        raise ValueError(
            f"Expected no column called {', '.join(taken)} in the data, which a file of vectors "
            "has a use of its own for. Try: another name in the manifest."
        )


def _there_already(target: Path, meta: Mapping[str, Any]) -> EmbedResult:
    """A file that is there, if it is what would be made.

    Raises:
        ValueError: It is another one.
    """
    try:
        found = read_vectors(target)
    except ValueError:
        found = None
    if found is None or found.meta != meta:
        raise ValueError(
            f"Expected a new file, but {target} exists, and was made from other pictures, by "
            "another encoder, or otherwise. Try: --force, or another name."
        )
    return EmbedResult(target, found.vectors.shape, again=True)
