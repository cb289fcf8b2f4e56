"""What a recipe may say, key by key. JSON types only; an unknown key is an error everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from data_tools.class_names import ClassName
from data_tools.registry import Part, Spec
from supcon_ext.recipe.families import import_plugin, known_strategy, load_families
from supcon_ext.recipe.part_fields import OneOrMany, PartOr, TermItem, distinct

NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
SLUG = r"^[a-z0-9][a-z0-9._-]*$"
PATTERNS = {
    NAME: "a letter and then letters, digits, `_` or `-`",
    SLUG: "small letters, digits, `.`, `_` or `-`",
}
"""Patterns of names, in words."""

LONGEST_NAME = 100
"""Characters of a name that becomes part of a folder's."""

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Width = Annotated[int, Field(ge=1, le=2**16)]
Unit = Annotated[float, Field(ge=0, le=1)]
Spread = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A mapping of a recipe."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )


def _default(value: Any) -> Any:
    """A default as a recipe would write it; validation makes it what the field holds."""
    return Field(default=value)


class GroupsSection(Section):
    """Which classes have many, a medium number of, or few samples: by counts, or named.

    A class goes by its name; by its place from 0 only where no class is called by a number.
    """

    many_above: Annotated[int, Field(ge=0)] = 100
    """A class with more training samples than this is in the group `many`."""
    few_below: Annotated[int, Field(ge=0)] = 20
    """A class with fewer training samples than this is in the group `few`."""
    many: list[ClassName] | None = None
    """Classes of the group `many`, in place of the counts."""
    medium: list[ClassName] | None = None
    """Classes of the group `medium`."""
    few: list[ClassName] | None = None
    """Classes of the group `few`."""

    @model_validator(mode="after")
    def _one_way(self) -> GroupsSection:
        lists = {"many": self.many, "medium": self.medium, "few": self.few}
        given = [ids for ids in lists.values() if ids is not None]
        counts = self.model_fields_set & {"many_above", "few_below"}
        if given and (counts or len(given) < len(lists)):
            raise PydanticCustomError(
                "groups",
                "Expected `many_above` and `few_below`, or all of `many`, `medium` and `few`.",
            )
        ids = [class_id for group in given for class_id in group]
        if len(set(ids)) < len(ids):
            raise PydanticCustomError(
                "groups", "Expected each class in one group, but got one twice."
            )
        if self.few_below > self.many_above + 1:
            raise PydanticCustomError(
                "groups",
                "Expected `few_below` to be at most `many_above` + 1, so that no group overlaps.",
            )
        return self

    @model_serializer
    def _as_given(self) -> dict[str, Any]:
        if self.many is None:
            return {"many_above": self.many_above, "few_below": self.few_below}
        return {"many": self.many, "medium": self.medium, "few": self.few}


class DataSection(Section):
    """The images, and what is done to their labels and counts before training."""

    dataset: Annotated[Spec, PartOr("dataset", "digits")] = _default("digits")
    """The data set."""
    noise: Annotated[Spec | None, Part("noise")] = None
    """Label noise put into the training labels."""
    imbalance: Annotated[Spec | None, Part("imbalance")] = None
    """Which training samples are kept, class by class."""
    synthetic: list[Annotated[Spec, Part("synthetic_source")]] = Field(default_factory=list)
    """Synthetic samples that training sees beside the real ones; nothing is measured on them."""
    order: Literal["imbalance_then_noise", "noise_then_imbalance"] = "imbalance_then_noise"
    """Which of the two comes first."""
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Share of the training set, noisy labels included, that is set aside for validation."""
    seed: Seed = 0
    """Seed of the validation split."""
    image_size: Annotated[int, Field(ge=8, le=2**13)] | None = None
    """Side of the images in training and evaluation, in pixels; null for the data set's own."""
    mean: Annotated[list[Unit], Field(min_length=1, max_length=16)] | None = None
    """Mean of each channel, subtracted from the images, in [0, 1] units; null measures it on the
    training images, exactly up to 2,000 of them, else on that many."""
    std: Annotated[list[Spread], Field(min_length=1, max_length=16)] | None = None
    """Standard deviation of each channel, which divides the images; null measures it likewise."""
    groups: GroupsSection = Field(default_factory=GroupsSection)
    """Shot groups of the evaluation."""
    bad_images: Literal["error", "skip"] = "error"
    """Whether image files that cannot be read end the run, at its start where they are found then,
    or are left out, listed and counted."""
    decode: bool = False
    """Whether every image file is decoded before training, not only its header and end looked at.
    """
    duplicates: Literal["warn", "error", "ignore"] = "warn"
    """What happens where files are equal: in training and test, under two labels, in one class."""
    empty_classes: Literal["error", "keep", "skip"] = "error"
    """What happens with classes without a training image; `skip` leaves them out everywhere."""


def _old_linear(value: Any) -> Any:
    """Recipes of earlier runs say of a linear classifier, too, the scale that a cosine one has."""
    if isinstance(value, Mapping) and value.get("kind") == "linear":
        return {key: inner for key, inner in value.items() if key != "scale"}
    return value


class LoraSection(Section):
    """Low-rank updates beside some layers of an encoder that is frozen otherwise."""

    rank: Annotated[int, Field(ge=1, le=2**12)] = 8
    """Rank of the updates."""
    alpha: Annotated[float, Field(gt=0)] = 16.0
    """The updates are multiplied by this divided by the rank."""
    targets: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """Names of linear layers and convolutions, or how their names end."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on what goes into the updates."""


class ModelSection(Section):
    """The network."""

    backbone: Annotated[Spec, PartOr("backbone", "resnet18_small")] = _default("resnet18_small")
    """The encoder."""
    projector: Annotated[Spec, PartOr("head", "mlp")] = _default("mlp")
    """The head whose output, scaled to norm 1, the contrastive terms see."""
    classifier: Annotated[Spec, PartOr("head", "linear"), BeforeValidator(_old_linear)] = _default(
        "linear"
    )
    """The head whose logits the classification terms see."""
    predictor: Annotated[Spec | None, PartOr("head", "mlp")] = None
    """A further head on the projector's output, for terms that ask for it; null for none."""
    patch_head: Annotated[Spec | None, PartOr("head", "dino")] = None
    """A head on patch tokens, for `ibot`; null for none. The backbone must hand them out."""
    cls_head: Annotated[Spec | None, PartOr("head", "dino")] = None
    """A head of its own on features, for `ibot`; null leaves them to the head of the patches."""
    ema: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Momentum of the EMA twin; null for none."""
    ema_end: Annotated[float, Field(ge=0, le=1)] | None = None
    """Momentum that it reaches at the run's end, along half a cosine; null keeps it as it is."""
    norms_by_source: bool = False
    """Whether batch norms have statistics and weights of their own for synthetic samples; those of
    real ones serve evaluation and selection."""
    weights: Annotated[str, Field(min_length=1)] | None = None
    """File that the encoder's first weights come from, safetensors or of torch.save."""
    partial_weights: bool = False
    """Whether weights of that file that fit the encoder in part only are taken."""
    freeze: Annotated[str, Field(min_length=1)] | None = None
    """The last block of the encoder that is not trained, or `all`; null trains every one."""
    checkpointing: bool = False
    """Whether blocks of the encoder are computed again for the gradient, which saves memory."""
    lora: LoraSection | None = None
    """Low-rank updates of the encoder, which is not trained otherwise; null for none."""

    @model_validator(mode="after")
    def _one_way(self) -> ModelSection:
        if self.ema_end is not None and self.ema is None:
            raise PydanticCustomError("ema_end", "Expected `ema_end` beside `ema` only.")
        if self.norms_by_source and self.checkpointing:
            raise PydanticCustomError(
                "norms_checkpointing",
                "Expected `norms_by_source` or `checkpointing`, but got both: blocks that are "
                "computed again do not know their rows' sources.",
            )
        if self.cls_head is not None and self.patch_head is None:
            raise PydanticCustomError("cls_head", "Expected `cls_head` beside `patch_head` only.")
        if self.freeze is not None and self.lora is not None:
            raise PydanticCustomError(
                "lora_freeze",
                "Expected `freeze` or `lora`, which itself freezes all but its updates, but got "
                "both.",
            )
        if self.partial_weights and self.weights is None:
            raise PydanticCustomError(
                "partial_weights", "Expected `partial_weights` beside `weights` only."
            )
        return self


class ViewsSection(Section):
    """Some of the views of each sample, made by one policy."""

    policy: Annotated[Spec, PartOr("policy", "simaugment")] = _default("simaugment")
    """How the images are augmented."""
    count: Annotated[int, Field(ge=1, le=100)] = 2
    """Number of views of each sample."""
    name: Name | None = None
    """Name by which terms of the objective speak of these views."""


Views = Annotated[
    list[ViewsSection],
    Field(min_length=1),
    AfterValidator(distinct("name")),
    OneOrMany(),
]


class StageSection(Section):
    """One phase of training."""

    name: Name
    """Name of the stage, once in a recipe."""
    epochs: Annotated[int, Field(ge=1, le=10**6)]
    """Passes over the training set."""
    batch_size: Annotated[int, Field(ge=1, le=2**24)] = 256
    """Samples in a batch, over all processes."""
    views: Views = _default([{}])
    """One group of views, or a list of groups."""
    objective: Annotated[list[Annotated[Spec, TermItem("term")]], Field(min_length=1)]
    """Terms whose weighted sum is minimised."""
    optimizer: Annotated[Spec, PartOr("optimizer", "sgd")] = _default("sgd")
    """The optimiser."""
    schedule: Annotated[Spec, PartOr("schedule", "cosine")] = _default("cosine")
    """How the learning rate goes over the stage."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient; null for no clipping."""
    weight_decay_end: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Weight decay at the stage's end, along half a cosine, of all parameters that decay; null
    keeps the optimiser's."""
    sampler: Annotated[Spec, PartOr("sampler", "shuffled")] = _default("shuffled")
    """Which samples an epoch visits, and how often."""
    reset: list[Literal["projector", "classifier"]] = Field(default_factory=list)
    """Heads that start this stage with new weights."""
    drop_last: bool = True
    """Whether a last batch that is not full is left out."""


class TrackingSection(Section):
    """Where numbers go while a run is under way."""

    uri: str | None = None
    """MLflow tracking URI; null for a SQLite file, `none` for the run's own journal only."""
    experiment: str = "supcon_ext"
    """Name of the MLflow experiment."""
    folder: str = "runs"
    """Folder that holds the folder of each run."""
    on_unreachable: Literal["warn", "fail"] = "warn"
    """What happens when the tracking server does not answer at the start."""


class ComputeSection(Section):
    """What the run is computed on."""

    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Kind of device."""
    devices: Annotated[int, Field(ge=1, le=2**12)] | Literal["auto"] = 1
    """Number of devices on each node, or `auto` for all of them."""
    nodes: Annotated[int, Field(ge=1, le=2**12)] = 1
    """Number of machines."""
    strategy: Annotated[str, AfterValidator(known_strategy)] = "auto"
    """Lightning Fabric's name of the strategy (`auto`, `ddp`)."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    """Numbers of the forward pass; the loss is computed in 32 bits or more."""
    sync_batch_norm: bool = False
    """Whether batch norms see the rows of all processes, not each its own; on GPUs only."""
    workers: Annotated[int, Field(ge=0, le=2**10)] = 0
    """Processes that load images; results do not depend on it."""
    neighbours: Literal["exact", "faiss"] = "exact"
    """How selectors' nearest neighbours are searched; `faiss` is approximate, for many millions."""
    deterministic: bool = True
    """Whether only deterministic algorithms are used."""


class CheckpointSection(Section):
    """What is saved while a run is under way."""

    every: Annotated[int, Field(ge=1)] = 1
    """Epochs between checkpoints."""
    keep_best: bool = True
    """Whether the best epoch on the validation split is kept beside the last."""


class Recipe(Section):
    """One experiment whole."""

    name: Annotated[str, Field(pattern=SLUG, max_length=LONGEST_NAME)]
    """Name of the recipe and of its runs: small letters, digits, `.`, `_` and `-`."""
    description: str = ""
    """What the recipe is for; the first line is shown in lists."""
    plugins: list[Annotated[str, AfterValidator(import_plugin)]] = Field(default_factory=list)
    """Modules that are imported before parts are looked up."""
    extends: str | None = None
    """Another recipe, by its path from here or by its shipped name, which this one is laid over."""
    data: DataSection = Field(default_factory=DataSection)
    """Data set, noise, imbalance, validation split."""
    model: ModelSection = Field(default_factory=ModelSection)
    """Backbone and heads."""
    stages: Annotated[list[StageSection], Field(min_length=1), AfterValidator(distinct("name"))]
    """Phases of training, in order."""
    evaluation: list[Annotated[Spec, Part("evaluator")]] = _default(["linear_probe", "knn"])
    """How the trained network is measured."""
    validate_every: Annotated[int, Field(ge=0)] = 1
    """Epochs between validations; 0 for none."""
    tracking: TrackingSection = Field(default_factory=TrackingSection)
    """MLflow and the journal."""
    compute: ComputeSection = Field(default_factory=ComputeSection)
    """Devices, precision, workers."""
    checkpoint: CheckpointSection = Field(default_factory=CheckpointSection)
    """What is saved."""
    seed: Seed = 0
    """Seed of everything that is drawn in training."""

    @model_validator(mode="before")
    @classmethod
    def _families(cls, value: Any) -> Any:
        load_families()
        return value

    @field_validator("extends")
    @classmethod
    def _resolved(cls, value: str | None) -> str | None:
        if value is not None:
            raise PydanticCustomError(
                "extends", "Expected `extends` in a file, where the other recipe can be looked up."
            )
        return value
