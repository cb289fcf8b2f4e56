"""What a fitted predictor is, so that it can be kept in a file and used again.

Letters: N samples, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from supcon_ext.evaluation.base import Embedded


@dataclass(frozen=True, eq=False)
class Fitted(ABC):
    """A fitted predictor that is all in its fields: tensors, numbers and texts.

    A subclass is a frozen dataclass.

    Attributes:
        kind: Its name in files.
    """

    kind: ClassVar[str]

    @abstractmethod
    def __call__(self, part: Embedded) -> Tensor:
        """``(N, C)`` float32 class probabilities of N samples."""

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name."""
        return {name: value for name, value in self._values() if isinstance(value, Tensor)}

    def settings(self) -> dict[str, Any]:
        """Its other fields by name, those left out that are None."""
        return {
            name: value
            for name, value in self._values()
            if value is not None and not isinstance(value, Tensor)
        }

    def _values(self) -> list[tuple[str, Any]]:
        return [(each.name, getattr(self, each.name)) for each in fields(self)]

    @classmethod
    def of(cls, settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """The predictor whose :meth:`settings` and :meth:`tensors` these are.

        Raises:
            TypeError: They are of another kind.
        """
        return cls(**settings, **tensors)
