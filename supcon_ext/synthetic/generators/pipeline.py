"""Pictures of diffusers' pipelines: of a text, or of a text and a real picture."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from data_tools.input_spec import InputSpec
from data_tools.optional_package import optional_package
from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet, Subset
from data_tools.synthetic_set import UNKNOWN, normalised_caption
from supcon_ext.synthetic.generator import Asked, Generator, Progress, generator
from supcon_ext.synthetic.generators.parents import ParentChooser
from supcon_ext.synthetic.image_seed import image_seed

EXTRA = "supcon-ext[generate]"
USE = "the generator pipeline"


@generator("pipeline")
class DiffusersPipeline(Generator):
    """Any text-to-image pipeline of diffusers, by folder or id; with a strength, image-to-image.

    The noise of a picture is drawn on the CPU from its caption and number. Batches are filled up to
    one size, so that a picture does not depend on those beside it; another batch size, device or
    number type may change it in its last bits. With a strength, each picture is made from a trusted
    one of its class (of any class, where the caption names none), which is its parent.

    Args:
        pipeline: A folder that ``save_pretrained`` wrote, or an id of the Hub.
        revision: Branch, tag or commit of an id.
        scheduler: Class name of a scheduler of diffusers; None for the pipeline's own.
        steps: Of denoising.
        guidance: How far pictures go beyond what the caption alone says; SynCLR takes 2.5.
        size: Side in pixels; None for the pipeline's own.
        strength: How much of a parent is made anew, up to 1; None makes pictures of text alone.
        negative: What pictures should not show.
        prompt: What is asked for where a class is; ``{class}`` stands for its name.
        batch: Pictures at a time.
        dtype: Type of the numbers.
        device: What it is computed on; ``auto`` is a GPU where there is one.
    """

    def __init__(
        self,
        pipeline: str,
        revision: str | None = None,
        scheduler: str | None = None,
        steps: Annotated[int, Field(ge=1)] = 50,
        guidance: Annotated[float, Field(ge=0)] = 2.5,
        size: Annotated[int, Field(ge=8)] | None = None,
        strength: Annotated[float, Field(gt=0, le=1)] | None = None,
        negative: str | None = None,
        prompt: str = "a photo of a {class}",
        batch: Annotated[int, Field(ge=1)] = 4,
        dtype: Literal["float32", "float16", "bfloat16"] = "float32",
        device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    ) -> None:
        if strength is not None and int(steps * strength) < 1:
            raise ValueError(
                f"Expected a step at least of `steps` times `strength`, but got {steps} x "
                f"{strength:g}. Try: steps: {int(np.ceil(1 / strength))}"
            )
        self.pipeline = pipeline
        self.revision = revision
        self.scheduler = scheduler
        self.steps = steps
        self.guidance = guidance
        self.size = size
        self.strength = strength
        self.negative = negative
        self.prompt = prompt
        self.batch = batch
        self.dtype = dtype
        self.device = device
        self.spec = _ALONE
        self.parents: ParentChooser | None = None
        self._loaded: Any = None

    def expect_ready(self) -> None:
        """A text is all it needs, but for parents where it starts from such; loads the pipeline."""
        if self.strength is not None and self.parents is None:
            super().expect_ready()
        self._pipeline()

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        spec = real.spec
        if spec.kind != "image" or not spec.is_eight_bits or spec.channels != 3:
            raise ValueError(
                f"Expected 8-bit colour images for the {self.name} to stand beside, but got "
                f"{spec.kind}s of {spec.channels} channels of {spec.dtype}."
            )
        self.parents = ParentChooser(trusted, real.label[trusted])
        self.pictures: SampleSequence = Subset(real.samples, trusted)

    def settled(self, what: int | str) -> int | str:
        """A class by its place, or any text."""
        if isinstance(what, int) or what in self.classes:
            return super().settled(what)
        return normalised_caption(what)

    def parent_of(self, what: int | str, k: int, seed: int) -> int:
        """The picture that is gone from, where there is a strength."""
        if self.strength is None or self.parents is None:
            return UNKNOWN
        return int(self.parents.places[self._parent(self.settled(what), k, seed)])

    def _parent(self, what: int | str, k: int, seed: int) -> int:
        if self.parents is None:
            raise ValueError(f"Expected a fitted {self.name}, which has parents, but it is not.")
        return self.parents.chosen(what if isinstance(what, int) else self._named(what), k, seed)

    def _named(self, caption: str) -> int | None:
        """The class with parents that a caption names, the longest where it names several."""
        words = f" {re.sub(r'[^a-z0-9]+', ' ', caption)} "
        names = {
            label: re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()
            for label, name in enumerate(self.classes)
            if self.makes(label)
        }
        found = [label for label, name in names.items() if name and f" {name} " in words]
        return max(found, key=lambda label: len(names[label]), default=None)

    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray | None]:
        made: list[ImageArray | None] = []
        for start in range(0, len(asked), self.batch):
            rows = list(asked[start : start + self.batch])
            made += self._batch(rows + [rows[0]] * (self.batch - len(rows)), seed)[: len(rows)]
        return made

    def _batch(self, rows: Sequence[Asked], seed: int) -> list[ImageArray | None]:
        pipeline = self._pipeline()
        prompts = [w if isinstance(w, str) else self.prompt_of(w) for w, _ in rows]
        told: dict[str, Any] = {
            "prompt": prompts,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "generator": [
                torch.Generator().manual_seed(image_seed(seed, what, k)) for what, k in rows
            ],
            "output_type": "np",
        }
        if self.negative is not None:
            told["negative_prompt"] = [self.negative] * len(rows)
        if self.strength is not None:
            told |= {"strength": self.strength, "image": self._starts(pipeline, rows, seed)}
        elif self.size is not None:
            told |= {"height": self.size, "width": self.size}
        answer = pipeline(**told)
        refused = getattr(answer, "nsfw_content_detected", None) or [False] * len(rows)
        images = (np.asarray(answer.images) * 255).round().clip(0, 255).astype(np.uint8)
        return [
            None if bad else self._fitting(image)
            for image, bad in zip(images, refused, strict=True)
        ]

    def prompt_of(self, label: int) -> str:
        """The prompt with the class's name."""
        return self.prompt.replace("{class}", self.classes[label])

    def _starts(self, pipeline: Any, rows: Sequence[Asked], seed: int) -> list[Any]:
        from PIL import Image

        size = self.size or pipeline.unet.config.sample_size * pipeline.vae_scale_factor
        parents = [self.pictures[self._parent(what, k, seed)] for what, k in rows]
        return [
            Image.fromarray(parent).resize((size, size), Image.Resampling.BICUBIC)
            for parent in parents
        ]

    def _fitting(self, image: ImageArray) -> ImageArray:
        """A picture of the set's size, where it stands beside a set of one size."""
        size = self.spec.size
        if size is None or image.shape[:2] == size:
            return np.ascontiguousarray(image)
        from PIL import Image

        wide, high = size[1], size[0]
        return np.asarray(Image.fromarray(image).resize((wide, high), Image.Resampling.BOX))

    def _pipeline(self) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _load(self) -> Any:
        library = optional_package("diffusers", USE, EXTRA)
        texts = optional_package("transformers", USE, EXTRA)
        folder = Path(self.pipeline).expanduser()
        if folder.exists() and not (folder / "model_index.json").is_file():
            raise ValueError(
                f"Expected a folder of a pipeline, with model_index.json, but {folder} is none. "
                "Try: the folder that save_pretrained wrote"
            )
        way = "Text2Image" if self.strength is None else "Image2Image"
        chosen = getattr(library, f"AutoPipelineFor{way}")
        library.utils.logging.disable_progress_bar()
        texts.utils.logging.disable_progress_bar()
        try:
            loaded = chosen.from_pretrained(
                str(folder) if folder.exists() else self.pipeline,
                revision=self.revision,
                local_files_only=folder.exists(),
                **({} if self.dtype == "float32" else {"torch_dtype": getattr(torch, self.dtype)}),
            )
        except (
            Exception
        ) as error:  # a damaged folder or a missing id makes it raise nearly anything
            reason = str(error).strip().splitlines()[0] if str(error).strip() else ""
            raise ValueError(
                f"Expected a {way} pipeline in {self.pipeline}, but got "
                f"{type(error).__name__}: {reason[:300]}"
            ) from error
        if self.scheduler is not None:
            other = getattr(library, self.scheduler, None)
            if other is None or not hasattr(other, "from_config"):
                raise ValueError(
                    f"Expected a scheduler of diffusers by its class name, but got "
                    f"`{self.scheduler}`. Try: DDIMScheduler"
                )
            loaded.scheduler = other.from_config(loaded.scheduler.config)
        loaded.set_progress_bar_config(disable=True)
        return loaded.to(self.place)

    @property
    def place(self) -> str:
        """The device that is computed on."""
        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    def state(self) -> dict[str, Any]:
        """The parents' pictures, where it starts from such; weights stay where they are."""
        if self.parents is None or self.strength is None:
            return {}
        count = len(self.parents.places)
        pictures = [torch.from_numpy(np.array(self.pictures[i])) for i in range(count)]
        return {**self.parents.state(), "pictures": pictures}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        if state:
            self.parents = ParentChooser.of_state(state)
            self.pictures = [picture.numpy() for picture in state["pictures"]]


_ALONE = InputSpec("image", 3, "uint8", None, 255.0)
