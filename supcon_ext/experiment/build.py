"""A recipe made into objects: data, network, stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data_tools.bad_image import readable
from data_tools.bad_list import BAD_LIST
from data_tools.class_names import class_number
from data_tools.datasets.base import Splits
from data_tools.image_check import Told
from data_tools.input_spec import InputSpec
from data_tools.labels_file import read_labels
from data_tools.prepared import PreparedData, prepare_data
from data_tools.registry import Spec, family
from data_tools.samples import SampleSet
from data_tools.shot_groups import ShotGroups, by_counts, by_ranges
from data_tools.source_check import CheckRules, LeftOut, SourceReport, check_source
from data_tools.synthetic_set import SyntheticSet
from data_tools.training_set import with_synthetic
from supcon_ext.experiment.checked_parts import (
    factor_of,
    head_of,
    imbalance_of,
    noise_of,
    optimizer_of,
    source_of,
    view_of,
)
from supcon_ext.experiment.encoder import encoder_of
from supcon_ext.feed.base import GroupPlan
from supcon_ext.models.network import Network, build_network
from supcon_ext.models.own_input import OwnInput
from supcon_ext.models.source_norms import separate_norms
from supcon_ext.objectives.base import Objective
from supcon_ext.policies.base import View, ViewContext
from supcon_ext.policies.statistics import ChannelStatistics, channel_statistics
from supcon_ext.policies.vector_statistics import vector_statistics
from supcon_ext.policies.vector_view import VectorContext
from supcon_ext.recipe.schema import DataSection, Recipe, StageSection
from supcon_ext.seeding import seeded_weights
from supcon_ext.synthetic.inspection import inspect_sources
from supcon_ext.synthetic.report import Sifted, SyntheticReport
from supcon_ext.synthetic.report_page import REPORT
from supcon_ext.synthetic.sifting import sifted_by
from supcon_ext.synthetic.source import SyntheticSource
from supcon_ext.synthetic.trust import read_trust
from supcon_ext.training.stage import Stage

logger = logging.getLogger(__name__)

LARGE_SIDE = 224
LABELS = "labels.npz"
Synthetic = tuple[SyntheticSet, tuple[SyntheticReport, ...]]
"""Samples of all sources of a recipe, and what was found in each."""


@dataclass(frozen=True)
class ReadData:
    """A recipe's data, and what was found when it was read.

    Attributes:
        source: The data set without what was left out, before imbalance and noise.
        report: What was found.
        made: What training and evaluation see.
        synthetic: What was found in each source of synthetic samples.
    """

    source: Splits
    report: SourceReport
    made: PreparedData
    synthetic: tuple[SyntheticReport, ...] = ()


def read_data(
    section: DataSection,
    *,
    given: Splits | None = None,
    left_out: LeftOut | None = None,
    progress: Told | None = None,
    bad_list: str = BAD_LIST,
    synthetic_report: str = REPORT,
    once: Callable[[Callable[[], Synthetic]], Synthetic] | None = None,
) -> ReadData:
    """Read and check the data set, inject imbalance and noise, split off the validation set.

    Args:
        section: What the recipe says of data.
        given: The data set where Python handed it over; None makes the one that is named.
        left_out: The images that a run that goes on has left out, see :func:`left_out_of`.
        progress: Told how far the check of image files is.
        bad_list: File that takes the list of bad image files, if there are any.
        synthetic_report: Page that tells of synthetic samples, where a source of them is refused.
        once: Lets one of several processes make the synthetic samples, for all; None makes them.

    Raises:
        ValueError: The data cannot be used, or a bad image is not to be skipped.
    """
    rules = CheckRules(
        bad_images=section.bad_images,
        decode=section.decode,
        duplicates=section.duplicates,
        empty_classes=section.empty_classes,
        bad_list=bad_list,
    )
    found = source_of(section.dataset) if given is None else given
    source, report = check_source(found, rules, left_out=left_out, progress=progress)
    settings = section.model_dump(mode="json", include={"dataset", "noise", "imbalance", "order"})
    if report.left_out:
        settings["left_out"] = report.left_out
    if source.made_by:
        settings["made_by"] = dict(source.made_by)
    made = prepare_data(
        source,
        noise=None if section.noise is None else noise_of(_checked(section.noise, rules)),
        imbalance=None if section.imbalance is None else imbalance_of(section.imbalance),
        order=section.order,
        validation=section.validation,
        seed=section.seed,
        settings=settings,
    )
    if not section.synthetic:
        return ReadData(source, report, made)

    def make() -> Synthetic:
        return _synthetic(section, made, progress, synthetic_report)

    synthetic, reports = make() if once is None else once(make)
    return ReadData(source, report, replace(made, synthetic=synthetic), reports)


def _synthetic(
    section: DataSection, made: PreparedData, progress: Told | None, page: str
) -> Synthetic:
    """The synthetic samples of all sources, sifted, and what was found in each.

    Raises:
        ValueError: A source cannot give any, or gives what does not fit the real ones.
    """
    sources = [spec.build() for spec in section.synthetic]
    _expect_trust(sources, made)
    found, reports = inspect_sources(sources, made, section.seed, progress, page)
    parts = []
    for source, samples, report in zip(sources, found, reports, strict=True):
        kept, told = sifted_by(source, samples, made, progress)
        if told is not None:
            report.sifted = Sifted(samples, told)
        parts.append(kept)
    joined = SyntheticSet.cat(parts)
    with_synthetic(made.train, joined)  # tells now what does not fit
    return joined, tuple(reports)


def _expect_trust(sources: Sequence[SyntheticSource], made: PreparedData) -> None:
    """See at once that each source's trust can be read, though it may be asked for late or never.

    Raises:
        ValueError: One cannot; the message begins with the key.
    """
    for place, source in enumerate(sources):
        try:
            if source.trust is not None:
                read_trust(source.trust, made)
        except (ValueError, OSError) as error:
            raise ValueError(f"data.synthetic.{place}.trust: {error}") from error


def build_data(
    section: DataSection,
    *,
    given: Splits | None = None,
    left_out: LeftOut | None = None,
    progress: Told | None = None,
) -> PreparedData:
    """What training and evaluation see of a recipe's data; see :func:`read_data`."""
    return read_data(section, given=given, left_out=left_out, progress=progress).made


def left_out_of(run_folder: Path) -> LeftOut | None:
    """The images that a run left out of its data set when it began; None if it has not begun."""
    labels = run_folder / LABELS
    if not labels.is_file():
        return None
    left_out: LeftOut = read_labels(labels).settings["made"].get("left_out", {})
    return left_out


def _checked(noise: Spec, rules: CheckRules) -> Spec:
    """Noise that takes another data set (open-set images) gets it checked by the same rules."""
    params = {
        name: check_source(source_of(value), replace(rules, empty_classes="keep"))[0]
        if isinstance(value, Spec) and value.family == "dataset"
        else value
        for name, value in noise.params.items()
    }
    return Spec(noise.family, noise.kind, params)


def build_groups(section: DataSection, data: PreparedData) -> ShotGroups:
    """Shot groups by named classes, or by training counts (clean ones where they are known)."""
    groups = section.groups
    if groups.many is not None:
        names = data.train.classes
        lists = {"many": groups.many, "medium": groups.medium or [], "few": groups.few or []}
        numbers = {
            group: [class_number(name, names, f"`data.groups.{group}`") for name in listed]
            for group, listed in lists.items()
        }
        return by_ranges(**numbers, classes=len(names))
    counts = data.counts if data.clean_counts is None else data.clean_counts
    return by_counts(counts, many_above=groups.many_above, few_below=groups.few_below)


def sample_context(
    section: DataSection,
    train: SampleSet,
    statistics: ChannelStatistics | None = None,
    own: OwnInput | None = None,
    training: SampleSet | None = None,
) -> ViewContext | VectorContext:
    """What policies are told of the training samples: images or vectors.

    Args:
        section: What the recipe says of data.
        train: The real training samples.
        statistics: Those with which a run began.
        own: The images that the encoder's weights were trained on, if they were.
        training: All training samples, where some are synthetic.

    Raises:
        ValueError: The recipe says of vectors what only images have, or its mean or std has not one
            number a channel.
    """
    if train.spec.kind == "image":
        return _view_context(section, train, statistics, own)
    for name in ("image_size", "mean", "std"):
        if getattr(section, name) is not None:
            raise ValueError(
                f"Expected no data.{name} on vectors, which are standardised by their training "
                f"split, but got one. Try: data.{name}: null"
            )
    mean, std = statistics or vector_statistics(train, seed=0)
    return VectorContext(train.spec.channels, mean, std, training or train)


def _view_context(
    section: DataSection,
    train: SampleSet,
    statistics: ChannelStatistics | None,
    own: OwnInput | None,
) -> ViewContext:
    """Size, channels and statistics of the training images.

    Without ``image_size``, they have the encoder's ``own`` size, else arrays of square images keep
    theirs and files are brought to 224 pixels. Mean and std are those of the recipe, else
    ``statistics``, else the encoder's own, else they are measured.

    Raises:
        ValueError: The recipe's mean or std has not one number a channel.
    """
    spec = train.spec
    first = next(readable(train.samples, range(len(train))))
    size = section.image_size
    if size is None and own is not None:
        size = own.size
    elif size is None:
        square = "path" not in train.columns and first.shape[0] == first.shape[1]
        size = first.shape[0] if square else LARGE_SIDE
    for name, values in (("mean", section.mean), ("std", section.std)):
        if values is not None and len(values) != spec.channels:
            raise ValueError(
                f"Expected {spec.channels} numbers in data.{name}, one a channel of the images, "
                f"but got {len(values)}. Try: {spec.channels} numbers in [0, 1] units, or null"
            )
    if section.mean is not None and section.std is not None:
        mean, std = tuple(section.mean), tuple(section.std)
    else:
        known = statistics or (own and own.statistics(spec.channels))
        mean, std = known or channel_statistics(train, seed=0)
        mean = mean if section.mean is None else tuple(section.mean)
        std = std if section.std is None else tuple(section.std)
    floor = tuple(max(value, 1e-3) for value in std)
    return ViewContext(size, spec.channels, spec.flips, mean, floor, spec.dtype, spec.scale)


def plain_view(context: ViewContext | VectorContext) -> View:
    """The view that evaluation uses: no augmentation."""
    return view_of(family("policy").spec("none"), context)


def augmented_view(context: ViewContext | VectorContext) -> View:
    """The weak view of the SGD linear probe: crop and flip; of vectors a stored view."""
    weak = "weak" if context.spec.kind == "image" else "stored_view"
    return view_of(family("policy").spec(weak), context)


def build_model(recipe: Recipe, classes: int, spec: InputSpec, *, fresh: bool = True) -> Network:
    """The network: its first weights are drawn from the recipe's seed alone, or read.

    Args:
        recipe: What to make.
        classes: Number of classes.
        spec: What the samples are.
        fresh: Whether first weights are read; False where a checkpoint's take their place.

    Raises:
        ValueError: The backbone does not take samples of this kind, or its first weights, freezing
            or adaptation cannot be as the recipe says.
    """
    model = recipe.model
    network = build_network(
        encoder_of(model, spec.kind, fresh),
        spec.channels,
        classes,
        projector=head_of(model.projector),
        classifier=head_of(model.classifier),
        **{
            name: head_of(spec)
            for name in ("predictor", "patch_head", "cls_head")
            if (spec := getattr(model, name)) is not None
        },
        seed=recipe.seed,
    )
    return separate_norms(network) if model.norms_by_source else network


def build_objective(section: StageSection, seed: int) -> Objective:
    """The stage's terms; a second term of a kind is called ``<kind>_2``."""
    terms: dict[str, Any] = {}
    for spec in section.objective:
        same = sum(name.rsplit("_", 1)[0] == spec.kind or name == spec.kind for name in terms)
        name = spec.kind.rpartition(".")[2]
        name = name if not same else f"{name}_{same + 1}"
        with seeded_weights(seed, f"{section.name}/{name}"):
            terms[name] = spec.build()
    return Objective(terms)


def build_stage(section: StageSection, context: ViewContext | VectorContext, seed: int) -> Stage:
    """One stage, ready for the loop."""
    groups = tuple(
        GroupPlan(group.name or f"views_{number}", view_of(group.policy, context), group.count)
        for number, group in enumerate(section.views)
    )
    return Stage(
        name=section.name,
        epochs=section.epochs,
        batch_size=section.batch_size,
        groups=groups,
        objective=build_objective(section, seed),
        optimizer=optimizer_of(section.optimizer),
        factor=factor_of(section.schedule),
        clip_norm=section.clip_norm,
        weight_decay_end=section.weight_decay_end,
        drop_last=section.drop_last,
        sampler=section.sampler.build(),
        reset=section.reset,
    )


def build_evaluators(specs: list[Spec]) -> dict[str, Any]:
    """The evaluators by kind; a second one of a kind is called ``<kind>_2``."""
    made: dict[str, Any] = {}
    for spec in specs:
        name, number = spec.kind.rpartition(".")[2], 2
        while name in made:
            name, number = f"{spec.kind.rpartition('.')[2]}_{number}", number + 1
        made[name] = spec.build()
    return made
