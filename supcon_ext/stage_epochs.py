"""Parameters that count epochs from their stage's start, and stages that end before.

A stage that is made shorter is the beginning of the longer one: nothing in it is scaled. What it
does not come to then is told when it is checked or run, with the key to set.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StageEpochs:
    """Annotation of a parameter (or of its list's items) that counts epochs from the stage's start.

    ``queue_warmup: Annotated[int, Field(ge=0), StageEpochs("the queue stays unused")] = 0``

    Attributes:
        missed: What is true of a stage that is too short, in words.
        begins: Whether something begins after so many epochs, for which the stage has to be longer;
            else something ends with them, for which it may be as long.
        beside: Parameter without which this one says nothing.
    """

    missed: str
    begins: bool = True
    beside: str | None = None

    def fits(self, epochs: float, stage: int) -> bool:
        """Whether a stage of so many epochs comes to it."""
        return epochs == 0 or (epochs < stage if self.begins else epochs <= stage)
