"""What a format of exported encoders is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from supcon_ext.experiment.model_files import SavedModel


class ExportFormat(ABC):
    """Writes an encoder for other programs, and reads it back as they would.

    Attributes:
        file: Name of the file that it writes.
    """

    file: ClassVar[str]

    def check(self, model: SavedModel) -> None:  # noqa: B027 - most refuse none
        """Refuse, before anything is written, a model that the format has no way to say.

        Raises:
            ValueError: It is one.
            ModuleNotFoundError: The format needs a package that is not installed.
        """

    @abstractmethod
    def write(self, model: SavedModel, samples: Tensor, draft: Path) -> None:
        """Write the file.

        Args:
            model: What to write; left as it is.
            samples: A few, as :class:`~supcon_ext.use.ready_module.ReadyModule` takes them.
            draft: A folder.
        """

    @abstractmethod
    def read(
        self, model: SavedModel, samples: Tensor, folder: Path
    ) -> tuple[Tensor, Tensor | None]:
        """What the written file gives.

        Args:
            model: Whatever the file does not say of itself.
            samples: As :class:`~supcon_ext.use.ready_module.ReadyModule` takes them.
            folder: Where the file is.

        Returns:
            Features, and probabilities where the file has a predictor.
        """

    @abstractmethod
    def told(self, model: SavedModel) -> Mapping[str, Any]:
        """What the file's user must know beside classes and preprocessing."""


def takes(model: SavedModel) -> dict[str, Any]:
    """What goes into, and comes out of, the files that standardise their samples themselves."""
    of = model.preprocessing
    if of.size is None:
        told, shape = "vectors as they are", ["batch", of.channels]
    else:
        shape = ["batch", of.channels, of.size, of.size]
        eight = of.spec.is_eight_bits
        told = "pixels, 0 to 255" if eight else f"numbers divided by {of.scale:g}, 0 to 1"
    return {
        "input": {"name": "samples", "dtype": "float32", "shape": shape, "values": told},
        "outputs": {
            "features": ["batch", model.network.backbone.dim],
            "probabilities": ["batch", len(model.classes)],
        },
    }
